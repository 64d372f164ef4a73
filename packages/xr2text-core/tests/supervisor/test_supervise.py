"""A supervisor starts a failed trainer again, ends with one that has ended on purpose, and gives up in time."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xr2text_core.run.console import set_up_console
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.history import TIME_COLUMNS
from xr2text_core.supervisor.heartbeat import LIMITS, Limits
from xr2text_core.supervisor.supervise import Pauses, supervise

DEADLINE_S = 120
AT_ONCE = Pauses(look_s=0.01, restart_s=(0.0, 0.0, 0.0), save_s=DEADLINE_S)
KILLS = replace(AT_ONCE, save_s=0.1)
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a test could send")

# What all fake trainers begin with: `start` counts the starts of this run, `report` writes the status at once.
FAKE = """
import json, os, signal, sys, time
from pathlib import Path
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.status import Status
from xr2text_core.supervisor.signals import StopAfterStep

folder = RunFolder.under(Path({out!r}))
folder.create()
starts = Path({out!r}) / "starts.jsonl"
start = len(starts.read_text().splitlines()) if starts.exists() else 0
with starts.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
status = Status(folder.status, "", folder.checkpoints)

def report(**fields):
    status.fields.update({{"state": "training", **fields}})
    status.write()

"""

# A fake trainer that stops as the real one does, and then tells which signals it got.
STOPS = """
class Recorded(StopAfterStep):
    def _on_signal(self, number, frame):
        got.append(signal.Signals(number).name)
        (Path({out!r}) / "signals.json").write_text(json.dumps(got))
        super()._on_signal(number, frame)

got = []
with Recorded() as stop:
    step = 0
    while len(got) < {signals} and step < 20000:
        step += 1
        report(epoch=1, step=step)
        time.sleep(0.02)
    report(state="interrupted", message="Stopped")
sys.exit(stop.exit_code)
"""

# A supervisor in a process of its own, with the meaning of signals that it has in a terminal, wherever the tests run.
PROGRAM = """
import signal, sys
from pathlib import Path
from xr2text_core.supervisor.supervise import Pauses, supervise
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.console import set_up_console

signal.signal(signal.SIGINT, signal.SIG_IGN if {is_background} else signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
set_up_console()
pauses = Pauses(look_s=0.01, restart_s=({delay_s}, 0.0, 0.0))
sys.exit(supervise([], RunFolder.under(Path({out!r})), set_up_console, [sys.executable, {fake!r}], pauses=pauses))
"""


class Fake:
    """A folder for a run, and a fake trainer in it."""

    def __init__(self, out: Path, body: str) -> None:
        self.out = out
        self.folder = RunFolder.under(out)
        self.script = out / "fake.py"
        self.script.write_text(FAKE.format(out=str(out)) + body)

    def supervise(self, *flags: str, limits: Limits = LIMITS, pauses: Pauses = AT_ONCE) -> int:
        set_up_console()
        return supervise(flags, self.folder, set_up_console, [sys.executable, str(self.script)], limits, pauses)

    def starts(self) -> list[list[str]]:
        """The flags of each start."""
        return [json.loads(line) for line in (self.out / "starts.jsonl").read_text().splitlines()]

    def events(self) -> list[dict[str, Any]]:
        if not self.folder.events.exists():
            return []
        return [json.loads(line) for line in self.folder.events.read_text().splitlines(keepends=True) if "\n" in line]

    def status(self) -> dict[str, Any]:
        return json.loads(self.folder.status.read_text()) if self.folder.status.exists() else {}

    def signals(self) -> list[str]:
        """What a fake trainer of the kind STOPS got."""
        text = (self.out / "signals.json").read_text() if (self.out / "signals.json").exists() else ""
        return json.loads(text) if text else []


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Fake]:
    return lambda body: Fake(tmp_path, body)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- what ends it


@pytest.mark.parametrize("code", [0, 2, 129, 130, 143])
def test_a_trainer_that_ended_on_purpose_is_not_started_again(fake: Callable[[str], Fake], code: int) -> None:
    if os.name == "nt" and code == 129:
        pytest.skip("Windows has no SIGHUP")
    run = fake(f"report(); sys.exit({code})")
    assert run.supervise() == code
    assert (len(run.starts()), run.events()) == (1, [])


def test_a_crash_is_put_on_record_and_the_trainer_started_again(fake: Callable[[str], Fake]) -> None:
    run = fake(
        "if start == 0:\n"
        "    report(state='failed', epoch=3, step=17, message='RuntimeError: CUDA error: oh no\\nCompile with')\n"
        "sys.exit(1 - start)"
    )
    assert run.supervise("--epochs", "3", "--supervise") == 0
    assert run.starts() == [["--epochs", "3"]] * 2
    (event,) = run.events()
    assert (event["kind"], event["exit_code"], event["restarts"], event["delay_s"]) == ("restarted", 1, 1, 0)
    assert event["message"] == (
        "The trainer ended with exit code 1 in epoch 3 after 17 steps "
        "(its last status: failed, RuntimeError: CUDA error: oh no). Starting it again in 0 s"
    )
    assert event["message"] in run.folder.log.read_text()


@needs_signals
def test_a_killed_trainer_is_started_again_and_its_signal_named(fake: Callable[[str], Fake]) -> None:
    run = fake("if start == 0: os.kill(os.getpid(), signal.SIGKILL)")
    assert run.supervise() == 0
    assert (run.events()[0]["kind"], run.events()[0]["signal"]) == ("restarted", "SIGKILL")
    assert "was killed by SIGKILL" in run.events()[0]["message"]


def test_three_restarts_without_a_new_step_are_enough(fake: Callable[[str], Fake]) -> None:
    run = fake("report(epoch=2, step=9, message='training epoch 2 of 50'); sys.exit(1)")
    assert run.supervise() == 1
    assert len(run.starts()) == 4
    assert [event["kind"] for event in run.events()] == ["restarted"] * 3 + ["gave_up"]
    message = run.events()[-1]["message"]
    assert message.startswith("3 restarts in a row made no new step. Giving up: the trainer ended with exit code 1")
    assert "in epoch 2 after 9 steps (its last status: training, training epoch 2 of 50)" in message
    assert str(run.folder.log) in message


def test_a_trainer_that_never_writes_a_status_is_given_up_too(fake: Callable[[str], Fake]) -> None:
    run = fake("sys.exit(5)")
    assert run.supervise() == 1
    assert len(run.starts()) == 4
    assert "ended with exit code 5 before it wrote its status" in run.events()[-1]["message"]


def test_a_trainer_that_cannot_be_started_is_given_up_too(fake: Callable[[str], Fake], tmp_path: Path) -> None:
    run = fake("")
    set_up_console()
    assert supervise([], run.folder, set_up_console, [str(tmp_path / "no such program")], pauses=AT_ONCE) == 1
    assert run.events()[-1]["kind"] == "gave_up"


def test_a_new_step_between_two_crashes_gives_three_more_restarts(fake: Callable[[str], Fake]) -> None:
    run = fake("report(epoch=1, step=max(start // 2, start - 4)); sys.exit(start < 8)")
    assert run.supervise() == 0  # steps 0 0 1 1 2 2 2 3 and the end: never more than two restarts without a new one
    assert len(run.starts()) == 9


def test_restarts_wait_longer_when_the_last_one_brought_nothing(fake: Callable[[str], Fake]) -> None:
    run = fake("report(epoch=1, step=[1, 1, 1, 2, 2, 2, 2][start]); sys.exit(1)")
    assert run.supervise(pauses=replace(AT_ONCE, restart_s=(0.01, 0.02, 0.03))) == 1
    assert [event.get("delay_s") for event in run.events()] == [0.01, 0.02, 0.03, 0.01, 0.02, 0.03, None]


def test_steps_of_an_earlier_trainer_do_not_count_as_new(fake: Callable[[str], Fake]) -> None:
    run = fake("report(epoch=5, step=0); sys.exit(1)")
    run.folder.create()
    run.folder.status.write_text(json.dumps({"pid": 1, "host": "elsewhere", "epoch": 4, "step": 3}))
    assert run.supervise() == 1
    assert len(run.starts()) == 4


# -- flags that belong to the first start alone


def test_fresh_is_repeated_until_a_trainer_has_begun_the_new_run(fake: Callable[[str], Fake]) -> None:
    run = fake("if start == 1: report()\nsys.exit(start < 2)")
    run.folder.create()
    run.folder.status.write_text(json.dumps({"pid": 1, "state": "finished"}))  # of the run that is to be moved aside
    assert run.supervise("--fresh", "--supervise", "--out", "x") == 0
    assert run.starts() == [["--out", "x", "--fresh"], ["--out", "x", "--fresh"], ["--out", "x"]]


@pytest.mark.parametrize("resume", [["--resume", "a b.pt"], ["--resume=a b.pt"], ["--resum", "a b.pt"]])
def test_resuming_from_a_file_is_repeated_until_something_newer_is_saved(
    fake: Callable[[str], Fake], resume: list[str]
) -> None:
    run = fake("report()\nif start == 1: folder.latest.write_bytes(b'new')\nsys.exit(start < 2)")
    run.folder.create()
    run.folder.latest.write_bytes(b"of the run that is left")
    assert run.supervise("--supervise", *resume, "--seed", "-1") == 0
    assert run.starts() == [["--seed", "-1", "--resume=a b.pt"]] * 2 + [["--seed", "-1"]]


# -- hanging

HANGS_AT_FIRST = """
if start == 1:
    sys.exit(0)
{on_sigterm}
for step in range(20):
    report(epoch=1, step=step)
    time.sleep(0.05)
time.sleep(600)
"""
SOON = Limits(starting_s=DEADLINE_S, working_s=0.5, factor=5)


def test_a_trainer_that_hangs_is_ended_and_started_again(fake: Callable[[str], Fake]) -> None:
    run = fake(HANGS_AT_FIRST.format(on_sigterm=""))
    assert run.supervise(limits=SOON) == 0
    assert (run.events()[0]["kind"], "hung_s" in run.events()[0]) == ("restarted", True)
    assert "gave no sign of life for" in run.events()[0]["message"]


@needs_signals
def test_a_hanging_trainer_that_can_still_save_is_started_again_all_the_same(fake: Callable[[str], Fake]) -> None:
    run = fake(HANGS_AT_FIRST.format(on_sigterm="signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))"))
    assert run.supervise(limits=SOON) == 0
    assert (run.events()[0]["kind"], run.events()[0]["exit_code"]) == ("restarted", 143)


@needs_signals
def test_a_hanging_trainer_that_does_not_listen_is_killed(fake: Callable[[str], Fake]) -> None:
    run = fake(HANGS_AT_FIRST.format(on_sigterm="signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    assert run.supervise(limits=SOON, pauses=KILLS) == 0
    assert (run.events()[0]["kind"], run.events()[0]["signal"]) == ("restarted", "SIGKILL")


@needs_signals
def test_a_trainer_that_was_suspended_by_somebody_is_ended_too(fake: Callable[[str], Fake]) -> None:
    run = fake(HANGS_AT_FIRST.format(on_sigterm="").replace("time.sleep(600)", "os.kill(os.getpid(), signal.SIGSTOP)"))
    assert run.supervise(limits=SOON, pauses=KILLS) == 0
    assert (run.events()[0]["kind"], "hung_s" in run.events()[0]) == ("restarted", True)


# -- signals


@pytest.fixture
def in_background(fake: Callable[[str], Fake]) -> Iterator[Callable[..., tuple[Fake, "subprocess.Popen[bytes]"]]]:
    """Starts a supervisor with its trainer in a process group of their own, and ends both after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(body: str, is_background: bool = False, delay_s: float = 0) -> tuple[Fake, "subprocess.Popen[bytes]"]:
        run = fake(body)
        program = PROGRAM.format(out=str(run.out), fake=str(run.script), is_background=is_background, delay_s=delay_s)
        started.append(subprocess.Popen([sys.executable, "-c", program], start_new_session=True))
        return run, started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)


def stops_after(signals: int, out: Path) -> str:
    return STOPS.format(signals=signals, out=str(out))


@needs_signals
def test_ctrl_c_in_the_terminal_stops_the_trainer_once(in_background: Any, tmp_path: Path) -> None:
    run, supervisor = in_background(stops_after(2, tmp_path))
    wait_for(lambda: run.status().get("step"))
    os.killpg(supervisor.pid, signal.SIGINT)
    assert supervisor.wait(DEADLINE_S) == 130
    assert run.signals() == ["SIGINT", "SIGTERM"]  # the second one is a repetition to the trainer
    assert (run.status()["state"], len(run.starts()), run.events()) == ("interrupted", 1, [])


@needs_signals
@pytest.mark.parametrize(
    ("sent", "passed_on", "code"),
    [
        ("SIGINT", "SIGTERM", 130),
        ("SIGTERM", "SIGTERM", 143),
        ("SIGHUP", "SIGHUP", 129),
        ("SIGUSR1", "SIGUSR1", 128 + getattr(signal, "SIGUSR1", 0)),
    ],
)
def test_a_signal_to_the_supervisor_alone_stops_the_trainer(
    in_background: Any, tmp_path: Path, sent: str, passed_on: str, code: int
) -> None:
    run, supervisor = in_background(stops_after(1, tmp_path))
    wait_for(lambda: run.status().get("step"))
    supervisor.send_signal(getattr(signal, sent))
    assert supervisor.wait(DEADLINE_S) == code
    assert run.signals() == [passed_on]
    assert (run.status()["state"], len(run.starts())) == ("interrupted", 1)


@needs_signals
def test_a_second_ctrl_c_makes_the_trainer_leave_at_once(in_background: Any, tmp_path: Path) -> None:
    run, supervisor = in_background(stops_after(3, tmp_path))
    wait_for(lambda: run.status().get("step"))
    supervisor.send_signal(signal.SIGINT)
    wait_for(run.signals)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(DEADLINE_S) == 130
    assert run.signals() == ["SIGTERM", "SIGINT"]
    assert (run.status()["state"], len(run.starts())) == ("training", 1)


@needs_signals
def test_a_trainer_that_is_stopped_while_it_starts_is_not_started_again(in_background: Any) -> None:
    run, supervisor = in_background("report(state='starting', step=1)\ntime.sleep(600)")
    wait_for(lambda: run.status().get("step"))
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(DEADLINE_S) == 130
    assert len(run.starts()) == 1


@needs_signals
def test_a_trainer_that_fails_while_it_is_stopped_is_not_started_again(in_background: Any, tmp_path: Path) -> None:
    run, supervisor = in_background(stops_after(1, tmp_path).replace("stop.exit_code", "1"))
    wait_for(lambda: run.status().get("step"))
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(DEADLINE_S) == 1
    assert len(run.starts()) == 1


@needs_signals
def test_a_signal_ends_the_wait_for_a_restart(in_background: Any) -> None:
    run, supervisor = in_background("sys.exit(1)", delay_s=100 * DEADLINE_S)
    wait_for(run.events)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(DEADLINE_S) == 130
    assert len(run.starts()) == 1


@needs_signals
def test_a_ctrl_c_that_a_background_job_ignores_stays_ignored(in_background: Any, tmp_path: Path) -> None:
    run, supervisor = in_background(stops_after(1, tmp_path), is_background=True)
    wait_for(lambda: run.status().get("step"))
    os.killpg(supervisor.pid, signal.SIGINT)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(DEADLINE_S) == 143
    assert run.signals() == ["SIGTERM"]


@needs_signals
def test_a_killed_supervisor_leaves_its_trainer_at_work(in_background: Any, tmp_path: Path) -> None:
    run, supervisor = in_background(stops_after(1, tmp_path))
    wait_for(lambda: run.status().get("step"))
    supervisor.kill()
    supervisor.wait(DEADLINE_S)
    trainer, step = run.status()["pid"], run.status()["step"]
    try:
        wait_for(lambda: run.status()["step"] > step + 3)
    finally:
        os.kill(trainer, signal.SIGTERM)
    wait_for(lambda: run.status()["state"] == "interrupted")


# -- the command


def test_an_unusable_name_is_refused_before_anything_starts_or_is_imported(tmp_path: Path) -> None:
    flags = ["--supervise", "--run", "../outside", "--out", str(tmp_path)]
    command = [sys.executable, "-X", "importtime", "-m", "xr2text_core.train", *flags]
    run = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (run.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "[ERROR] --run '../outside': use letters" in run.stdout
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "xr2text_core.supervisor.supervise" in imported
    assert not {"torch", "numpy", "pandas", "transformers", "timm", "accelerate", "matplotlib", "PIL"} & imported


def test_one_of_several_processes_is_not_supervised(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xr2text_core.train", "--supervise", "--out", str(tmp_path)]
    environment = {**os.environ, "WORLD_SIZE": "2"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env=environment)
    assert (run.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "torchrun --max-restarts" in run.stdout


# The real trainer, which is killed once after the first step of its second epoch.
DIES_ONCE = """
import os, signal, sys
from pathlib import Path
from xr2text_core.run.status import Status
from xr2text_core.train import main
from xr2text_core.settings.arguments import parse_arguments

update, grave = Status.update, Path({grave!r})

def update_then_die(status, **fields):
    update(status, **fields)
    if (status.fields.get("epoch"), fields.get("step"), grave.exists()) == (2, 1, False):
        grave.touch()
        os.kill(os.getpid(), signal.SIGKILL)

Status.update = update_then_die
sys.exit(main())
"""


def _rows(folder: RunFolder) -> list[dict[str, str]]:
    with folder.history.open() as file:
        return [{key: cell for key, cell in row.items() if key not in TIME_COLUMNS} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.timeout(3000)
@needs_signals
def test_a_supervised_run_whose_trainer_is_killed_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    import torch

    from xr2text_core.run.checkpoint import load_checkpoint

    tiny = ["--num-studies", "40", "--val-studies", "6", "--image-size", "64", "--batch", "8", "--accumulation", "2"]
    flags = [*tiny, "--epochs", "2", "--out"]
    unbroken, killed = (RunFolder.under(tmp_path / name) for name in ("unbroken", "killed"))
    command = [sys.executable, "-m", "xr2text_core.train", "--supervise", *flags, str(tmp_path / "unbroken")]
    assert subprocess.run(command, timeout=1500).returncode == 0

    set_up_console()
    command = [sys.executable, "-c", DIES_ONCE.format(grave=str(tmp_path / "grave"))]
    patient = Limits(working_s=3000)
    assert supervise([*flags, str(tmp_path / "killed")], killed, set_up_console, command, patient, AT_ONCE) == 0
    kinds = [json.loads(line)["kind"] for line in killed.events.read_text().splitlines()]
    assert (kinds[0], kinds.count("restarted"), kinds.count("resumed"), kinds[-1]) == ("started", 1, 1, "finished")
    assert _rows(killed) == _rows(unbroken)
    ends = [load_checkpoint(folder.final).model for folder in (killed, unbroken)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
