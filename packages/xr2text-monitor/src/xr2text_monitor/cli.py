"""xr2text-monitor: watch a training from a second terminal. Textual is imported only when there is a screen to draw."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from xr2text_monitor import __version__, gpu_poller
from xr2text_monitor.alerts import Limits
from xr2text_monitor.journal import Journal
from xr2text_monitor.on_alert import AlertCommand
from xr2text_monitor.run_files import RunFolder
from xr2text_monitor.sampler import Sampler, Snapshot

POLL_S = 1.0
COMMAND_S = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 healthy, 1 a warning stands, 2 no run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        folder = RunFolder.under(options.out, options.run)
        limits = limits_from(options.max_temp, options.max_memory_gb)
    except ValueError as error:
        parser.error(str(error))
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")  # a terminal without °C still gets the rest
    command = AlertCommand(options.on_alert, options.run) if options.on_alert else None
    if options.once or options.json:
        gpu = gpu_poller.nobody if options.no_gpu else gpu_poller.once
        return _quietly(lambda: _once(Sampler(folder, limits, gpu), command, options.json))
    if options.web:
        from xr2text_monitor.web import serve

        return _quietly(lambda: serve([word for word in arguments if word != "--web"]))
    sampler = Sampler(folder, limits, gpu_poller.nobody if options.no_gpu else _started_poller().report)
    if options.watch_log:
        return _quietly(lambda: _watch_log(sampler, command))
    from xr2text_monitor.app import run

    return run(sampler, command)


def _started_poller() -> gpu_poller.GpuPoller:
    poller = gpu_poller.GpuPoller()
    poller.start()
    return poller


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


def _once(sampler: Sampler, command: AlertCommand | None, wants_json: bool) -> int:
    from xr2text_monitor.summary import as_json, as_text, exit_code

    snapshot = sampler.sample()
    print(as_json(snapshot) if wants_json else as_text(snapshot))
    if command is not None:
        _start_commands(command, snapshot)
        command.wait(COMMAND_S)
    return exit_code(snapshot)


def _watch_log(sampler: Sampler, command: AlertCommand | None) -> int:
    """Events, changes of state and warnings as lines, until Ctrl-C."""
    journal = Journal()
    while True:
        snapshot = sampler.sample()
        for entry in journal.add(snapshot):
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at or snapshot.at))
            print(f"{moment} {entry.kind}: {entry.text}", flush=True)
        if command is not None:
            _start_commands(command, snapshot)
        time.sleep(POLL_S)


def _start_commands(command: AlertCommand, snapshot: Snapshot) -> None:
    for change in snapshot.changes:
        if change.is_raised:
            command.start(change.alert)


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
    add("--watch-log", action="store_true", help="print events, states and warnings as lines, until Ctrl-C")
    add("--web", action="store_true", help="serve the screen in a browser on this machine (needs the extra `web`)")
    add(
        "--on-alert",
        metavar="COMMAND",
        help="run this in the shell for each new warning; see XR2TEXT_ALERT_* variables",
    )
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
