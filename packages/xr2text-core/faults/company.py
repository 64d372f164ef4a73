"""Others at the same run: a second trainer, which is refused and changes nothing, and a monitor that is killed."""

import hashlib
import importlib.util
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from subprocess import Popen

from bench import Bench, Trial, ended, outcome_of
from processes import Forked, rest, wait, without_shim
from table import Outcome
from tiny import PATIENCE_S, TinyRun

REFUSED = 2
WAYS: tuple[tuple[str, ...], ...] = ((), ("--fresh",), ("--resume", "checkpoints/latest.pt"))


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs of each kind."""
    rows = [
        outcome_of("second trainer on the same run", bench.spread(second_trainer, options.trials)),
        outcome_of("two trainers at the same moment", bench.spread(same_moment, options.trials)),
    ]
    if importlib.util.find_spec("xr2text_monitor") is None:
        return [*rows, Outcome("monitor killed (kill -9)", remark="skipped: xr2text-monitor is not installed")]
    return [*rows, outcome_of("monitor killed (kill -9)", bench.spread(beside_monitors, options.trials // 2))]


def second_trainer(bench: Bench, number: int) -> Trial:
    """The first is held still meanwhile, so that every change of a file would be the second's."""
    chance, trial, run = bench.begin("second", number)
    first, instant = run.start(), bench.duration_s * chance.uniform(0, 0.8)
    rest(first, instant)
    while run.state() not in ("training", "validating", "saving") and rest(first, 0.01):
        pass
    if first.poll() is not None:
        trial.injected = 0  # it ended before
        ended(run, first)
        return bench.finish(run, trial)
    first.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # its threads may still be writing
    before = contents(run.folder)
    way = WAYS[number % len(WAYS)] if run.files.latest.exists() else ()
    flags = [str(run.folder / word) if word.endswith(".pt") else word for word in way]
    output = run.folder.with_name(f"{run.folder.name}-second.txt")
    code = wait(Forked([*run.flags, "--out", str(run.folder), *flags], output), PATIENCE_S)
    trial.how = [f"at {instant:.3f} s", f"with {way}", f"exit code {code}"]
    if code != REFUSED or "Traceback" in output.read_text() or f"process {first.pid}" not in output.read_text():
        trial.problems.append(f"the second: exit code {code}: {output.read_text()[-500:]}")
    changed = {name for name, _ in before.items() ^ contents(run.folder).items()}
    trial.problems += [f"changed by the second: {name}" for name in sorted(changed)]
    first.send_signal(signal.SIGCONT)
    output.unlink()
    ended(run, first)
    return bench.finish(run, trial)


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file, by name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def same_moment(bench: Bench, number: int) -> Trial:
    """One of them trains, the other is refused."""
    chance, trial, run = bench.begin("same-moment", number)
    delay_s = chance.choice((0.0, 0.0, 0.01, 0.05))
    one = run.start()
    rest(one, delay_s)
    other = Forked([*run.flags, "--out", str(run.folder)], run.output)
    codes = sorted((wait(one, PATIENCE_S), ended(run, other)))
    trial.how.append(f"exit codes {codes}")
    if codes != [0, REFUSED]:
        trial.problems.append(f"exit codes {codes} instead of 0 and {REFUSED}: {run.last_words()}")
    if run.kinds().count("started") != 1:
        trial.problems.append(f"{run.kinds().count('started')} trainers started")
    run.starts.clear()
    return bench.finish(run, trial)


def beside_monitors(bench: Bench, number: int) -> Trial:
    """One monitor after the other watches the run and is killed."""
    chance, trial, run = bench.begin("monitor", number, 0)
    process = run.start()
    while process.poll() is None:
        monitor, terminal = monitor_in_a_terminal(run)
        rest(process, chance.uniform(0.3, 1.5))
        trial.injected += monitor.poll() is None
        monitor.kill()
        monitor.wait()
        os.close(terminal)
    if code := ended(run, process):
        trial.problems.append(f"exit code {code}: {run.last_words()}")
    trial.how.append(f"{trial.injected} monitors killed")
    return bench.finish(run, trial)


def monitor_in_a_terminal(run: TinyRun) -> tuple[Popen[bytes], int]:
    """A monitor that draws its screen; what it writes fills the terminal's buffer and is thrown away with it."""
    ours, its = os.openpty()
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--out", str(run.folder), "--no-gpu"]
    monitor = Popen(command, stdin=its, stdout=its, stderr=its, env={**without_shim(), "TERM": "xterm"})
    os.close(its)
    return monitor, ours
