"""xr2text-monitor: watch a run from a second terminal. Textual is imported only when there is a screen to draw."""

import argparse
import gc
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xr2text_monitor import __version__
from xr2text_monitor.drawing.ascii import spell, wants_ascii
from xr2text_monitor.hardware import gpu_poller
from xr2text_monitor.readers.run_files import RunFolder
from xr2text_monitor.rules.reading import Limits
from xr2text_monitor.sampler import Sampler

if TYPE_CHECKING:
    from xr2text_monitor.on_alert import AlertCommand  # what a single look does not need is imported where it is used

POLL_S = 1.0
COMMAND_S = 30.0
HOTTEST_C = 150.0  # no GPU survives this: a limit above it is a mistyped one
NEWS = "finished, failed, interrupted, stage_changed, new_best, info, over"  # on_alert.ALSO, for a person
EXIT_CODES = "Exit codes of --once and --json: 0 healthy, 1 a warning stands, 2 no run found, 3 unknown."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code (EXIT_CODES; 2 also for wrong options and a missing terminal)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        folder = RunFolder.under(options.out, options.run)
        limits = limits_from(options.max_temp, options.max_memory_gb)
        command = _command(options)
    except ValueError as error:
        parser.error(str(error))
    for stream in (sys.stdout, sys.stderr):
        spell(stream, options.ascii)
    poller = None if options.no_gpu else gpu_poller.GpuPoller()
    is_single_look = options.once or options.json or options.test_alert
    gpu = gpu_poller.nobody if poller is None else poller.first_report if is_single_look else poller.report
    sampler = Sampler(folder, limits, gpu, None if options.test_alert else command)
    return _quietly(lambda: _run(options, arguments, sampler, poller, command))


def _run(
    options: argparse.Namespace,
    arguments: Sequence[str],
    sampler: Sampler,
    poller: gpu_poller.GpuPoller | None,
    command: "AlertCommand | None",
) -> int:
    """What was asked for: one look, lines, a page, or the screen."""
    is_screen = not (options.once or options.json or options.watch_log or options.test_alert or options.web)
    if is_screen and (problem := _why_no_screen()):
        print(f"xr2text-monitor: {problem}", file=sys.stderr)
        return 2
    if poller is not None and not (options.web and command is None):
        poller.start()
    if options.test_alert and command is not None:
        return _test(sampler, command)
    if options.once or options.json:
        return _once(sampler, command, options.json)
    if options.watch_log:
        return _watch_log(sampler)
    if options.web:
        return _serve(arguments, sampler if command is not None else None)
    gc.disable()  # until the screen stands: building it makes many objects and no garbage
    from xr2text_monitor.app import run

    return run(sampler, options.ascii or wants_ascii(os.environ, sys.stdout.encoding))


def _why_no_screen() -> str:
    from xr2text_monitor.terminal import why_no_screen

    return why_no_screen()


def limits_from(max_temp: float | None, max_memory: str | None) -> Limits:
    """`max_memory` is GiB as nvidia-smi counts (7.5) or a percentage of each GPU's memory (90%). None: what fits."""
    if max_temp is not None and not 0 < max_temp <= HOTTEST_C:
        raise ValueError(f"--max-temp {max_temp:g}: expected degrees C between 0 and {HOTTEST_C:g}, like 85")
    if max_memory is None:
        return Limits(max_temp)
    text = max_memory.strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    is_share = text.endswith("%")
    if not 0 < value < math.inf or (is_share and value > 100):
        raise ValueError(f"--max-memory-gb {max_memory!r}: expected a number of GiB like 7.5, or a percentage like 90%")
    return Limits(max_temp, None, value) if is_share else Limits(max_temp, value)


def _command(options: argparse.Namespace) -> "AlertCommand | None":
    if options.on_alert is None:
        if options.on is not None or options.test_alert:
            raise ValueError(f"{'--on' if options.on is not None else '--test-alert'} needs --on-alert COMMAND")
        return None
    from xr2text_monitor.on_alert import AlertCommand, also_from

    if not options.on_alert.strip():
        raise ValueError("--on-alert '': expected a command for the shell")
    also = () if options.on is None else also_from(options.on)
    return AlertCommand(options.on_alert, options.run, also, options.once or options.json)


def _once(sampler: Sampler, command: "AlertCommand | None", wants_json: bool) -> int:
    from xr2text_monitor.summary import as_json, as_text, exit_code

    sampler.start()
    snapshot = sampler.sample()
    print(as_json(snapshot) if wants_json else as_text(snapshot))
    if command is not None:
        command.wait(COMMAND_S)
        _complain(command.problem)
    return exit_code(snapshot)


def _test(sampler: Sampler, command: "AlertCommand") -> int:
    """Run the command of --on-alert once, and say how that went."""
    problem = command.test(sampler.sample())
    print("the command of --on-alert has ended with exit code 0" if not problem else "", end="" if problem else "\n")
    _complain(problem)
    return 1 if problem else 0


def _complain(problem: str) -> None:
    if problem:
        print(f"xr2text-monitor: the command of --on-alert failed: {problem}", file=sys.stderr)


def _watch_log(sampler: Sampler) -> int:
    """Events, changes of state and alerts as lines, until Ctrl-C or SIGTERM."""
    from xr2text_monitor.journal import Journal
    from xr2text_monitor.terminal import interrupt_on_signals

    interrupt_on_signals()
    journal = Journal()
    while True:
        snapshot = sampler.sample()
        for entry in journal.add(snapshot):
            print(f"{_moment(entry.at, snapshot.at)} {entry.kind}: {entry.text}", flush=True)
        time.sleep(POLL_S)


def _moment(at: float | None, now: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now if at is None else at))
    except (ValueError, OverflowError, OSError):  # the year 1, or what this system's C library does not know
        return f"{'—':19}"


def _serve(arguments: Sequence[str], sampler: Sampler | None) -> int:
    """The command of --on-alert runs here, once, however many tabs there are."""
    from xr2text_monitor.web import serve

    if sampler is not None:
        from xr2text_monitor.watch import Watcher

        Watcher(sampler, lambda snapshot: None, lambda error: print(error, file=sys.stderr)).start()
    here = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    here.add_argument("--web", action="store_true")
    here.add_argument("--on-alert")
    here.add_argument("--on")
    return serve(here.parse_known_args(arguments)[1])


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
        usage="%(prog)s [flags]",
        description="Watches an XR2Text training run. It only reads: closing or killing it never affects the trainer.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", default="", metavar="NAME", help="the run to watch (default: the one without a name)")
    add(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that holds checkpoints/ and data/ (default: here)",
    )
    add("--once", action="store_true", help="print a summary and exit")
    add("--json", action="store_true", help="print all fields as JSON and exit")
    add("--watch-log", action="store_true", help="print events, states and alerts as lines, until Ctrl-C or SIGTERM")
    add("--web", action="store_true", help="serve the screen in a browser on this machine (needs the extra `web`)")
    add("--on-alert", metavar="COMMAND", help="run this in the shell for each new alert; it gets XR2TEXT_ALERT_*")
    add("--on", metavar="NEWS", help=f"also run it for these, separated by commas: {NEWS}, or all")
    add("--test-alert", action="store_true", help="run the command of --on-alert once and say how it ended")
    add("--max-temp", type=float, metavar="C", help="warn above this GPU temperature (85 °C, or the card's own limit)")
    add(
        "--max-memory-gb",
        metavar="GIB",
        help="warn above this GPU memory: GiB or a share like 90%% (7.5 of 8 GiB, 94%% of other cards)",
    )
    add("--no-gpu", action="store_true", help="do not ask NVML (asking keeps an idle laptop GPU awake)")
    add("--ascii", action="store_true", help="draw with ASCII only (default where the locale is not UTF-8)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
