"""xr2text-monitor: watch a training from a second terminal. Textual is imported only when there is a screen to draw."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from xr2text_monitor import __version__
from xr2text_monitor.alerts import Limits
from xr2text_monitor.run_files import RunFolder
from xr2text_monitor.sampler import Sampler


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 healthy, 1 a warning stands, 2 no run."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        folder = RunFolder.under(options.out, options.run)
        limits = limits_from(options.max_temp, options.max_memory_gb)
    except ValueError as error:
        parser.error(str(error))
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")  # a terminal without °C still gets the rest
    if options.once or options.json:
        return _quietly(lambda: _once(Sampler(folder, limits, gpu=not options.no_gpu), options.json))
    return 0


def limits_from(max_temp: float, max_memory: str) -> Limits:
    """`max_memory` is GiB as nvidia-smi counts (7.5) or a percentage of each GPU's memory (90%)."""
    text = max_memory.strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not value > 0:
        raise ValueError(f"--max-memory-gb {max_memory!r}: expected a number of GiB like 7.5, or a percentage like 90%")
    if text.endswith("%"):
        return Limits(max_temp, None, value)
    return Limits(max_temp, value)


def _once(sampler: Sampler, wants_json: bool) -> int:
    from xr2text_monitor.summary import as_json, as_text, exit_code

    snapshot = sampler.sample()
    print(as_json(snapshot) if wants_json else as_text(snapshot))
    return exit_code(snapshot)


def _quietly(command: Callable[[], int]) -> int:
    """Run `command`; a reader of our output that has left (`| head`) and Ctrl-C are no errors."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again when it leaves
        return 0
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xr2text-monitor",
        description="Watches an XR2Text training. It only reads: closing or killing it never affects the trainer.",
        epilog="Exit codes of --once and --json: 0 healthy, 1 a warning stands, 2 no run found.",
    )
    add = parser.add_argument
    add("--run", default="", metavar="NAME", help="the run to watch (default: the one without a name)")
    add("--out", type=Path, default=Path(), metavar="DIR", help="folder that holds checkpoints/ and data/statistics/")
    add("--once", action="store_true", help="print a summary and leave")
    add("--json", action="store_true", help="print all fields as JSON and leave")
    add("--max-temp", type=float, default=85.0, metavar="C", help="warn above this GPU temperature (85 °C)")
    add(
        "--max-memory-gb",
        default="7.5",
        metavar="GIB",
        help="warn above this GPU memory: GiB (7.5) or a share (90%%)",
    )
    add("--no-gpu", action="store_true", help="do not ask NVML (asking keeps an idle laptop GPU awake)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
