"""The user's command: when it is started, what it is told, and that its failure is seen."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import frozen
import pytest
from fake_run import FakeRun

from xr2text_monitor.alerts import Alert, Change, Limits
from xr2text_monitor.cli import NEWS, main
from xr2text_monitor.hardware.gpu_poller import nobody
from xr2text_monitor.on_alert import ALSO, AlertCommand, also_from
from xr2text_monitor.readers.run_files import Event, RunFolder
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import RunState

VARIABLES = (
    "XR2TEXT_ALERT",
    *(
        f"XR2TEXT_ALERT_{name}"
        for name in [
            "KIND",
            "SEVERITY",
            "GROUP",
            "TITLE",
            "ADVICE",
            "VALUE",
            "SINCE",
            "RUN",
            "STATE",
            "EPOCH",
            "EPOCHS",
        ]
    ),
)


def told(
    folder: Path, snapshots: list[Snapshot], also: tuple[str, ...] = (), is_single_look: bool = False
) -> list[str]:
    """KIND:TITLE of every call, sorted: what is new in one snapshot is started at once and ends in any order."""
    out = folder / "told"
    command = AlertCommand(f'echo "$XR2TEXT_ALERT_KIND:$XR2TEXT_ALERT_TITLE" >> {out}', "", also, is_single_look)
    for snapshot in snapshots:
        command.tell(snapshot)
        command.wait(20)
    return sorted(out.read_text().splitlines()) if out.exists() else []


def test_every_documented_variable_is_set(tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    out = tmp_path / "seen"
    snapshot = replace(frozen.typical(tmp_path), changes=(Change(Alert("k", "t", "a", 5.0, 1.5), True, 6.0),))
    command = AlertCommand(f"env > {out}", "night")
    command.tell(snapshot)
    command.wait(20)
    seen = dict(line.partition("=")[::2] for line in out.read_text().splitlines())
    assert [seen[name] for name in VARIABLES] == [
        "k",
        "alert",
        "warning",
        "run",
        "t",
        "a",
        "1.5",
        "5",
        "night",
        "training",
        "13",
        "50",
    ]
    assert all(f"`{name}`" in readme for name in VARIABLES)


def test_alerts_start_it_when_raised_and_information_and_endings_only_when_asked_for(tmp_path: Path) -> None:
    quiet = frozen.typical(tmp_path)
    alert, info = Alert("k", "hot", "a", 5.0), Alert("i", "flat", "a", 5.0, severity="info")
    changes = (Change(alert, True, 6.0), Change(info, True, 6.0), Change(alert, False, 7.0))
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    assert told(tmp_path / "1", [replace(quiet, changes=changes)]) == ["alert:hot"]
    assert told(tmp_path / "2", [replace(quiet, changes=changes)], ("info", "over")) == [
        "alert:flat",
        "alert:hot",
        "over:hot",
    ]


def test_help_names_the_news_that_can_be_asked_for() -> None:
    assert tuple(NEWS.split(", ")) == ALSO


def test_what_happened_before_the_watch_is_not_told_and_what_happens_is(tmp_path: Path) -> None:
    first = frozen.typical(tmp_path)
    events = (*first.events, Event(frozen.NOW, "new_best", "better"), Event(frozen.NOW, "stage_changed", "harder"))
    later = replace(first, events=events, num_events=first.num_events + 2)
    over = replace(later, state=RunState("finished", "done"))
    assert told(tmp_path, [first, later, later, over, over], ALSO) == [
        "finished:the run has finished: done",
        "new_best:better",
        "stage_changed:harder",
    ]


def test_another_run_brings_its_alerts_and_not_its_past(tmp_path: Path) -> None:
    for name, loss in (("a", 1.0), ("b", float("nan"))):
        run = FakeRun(tmp_path, name)
        run.status(loss=loss)
        run.event("new_best", f"of {name}")
    out = tmp_path / "told"
    command = AlertCommand(f'echo "$XR2TEXT_ALERT_RUN:$XR2TEXT_ALERT" >> {out}', "a", ALSO)
    sampler = Sampler(RunFolder.under(tmp_path, "a"), Limits(), nobody, command)
    sampler.sample()
    other = sampler.moved_to(RunFolder.under(tmp_path, "b"))
    other.sample()
    other.sample()
    command.wait(20)
    assert out.read_text().splitlines() == ["b:loss_not_finite"]


def test_a_single_look_at_a_finished_run_tells_its_end(tmp_path: Path) -> None:
    over = replace(frozen.typical(tmp_path), state=RunState("finished", "done"))
    assert told(tmp_path, [over], ("finished",), is_single_look=True) == ["finished:the run has finished: done"]


def test_a_failure_is_told_once_and_as_a_failure(tmp_path: Path) -> None:
    quiet = frozen.typical(tmp_path)
    change = Change(Alert("life", "the run has failed: x", "a", 5.0, severity="critical"), True, 6.0)
    failed = replace(quiet, state=RunState("failed", "x"), changes=(change,))
    assert told(tmp_path, [quiet, failed], ALSO) == ["failed:the run has failed: x"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("finished,failed", ("finished", "failed")),
        ("stage changed", ("stage_changed",)),
        (" new-best ,", ("new_best",)),
        ("all", ALSO),
    ],
)
def test_the_names_of_news_are_read_as_people_write_them(text: str, names: tuple[str, ...]) -> None:
    assert also_from(text) == names


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo why >&2; exit 7", "exit code 7: why"),
        ("no-such-program-here", "exit code 127"),
        ("exit 1", "exit code 1"),
    ],
)
def test_a_command_that_fails_is_an_alert_until_it_works(tmp_path: Path, command: str, words: str) -> None:
    run = FakeRun(tmp_path)
    run.status(loss=float("nan"))
    alerts = AlertCommand(command, "")
    sampler = Sampler(RunFolder.under(tmp_path), Limits(), nobody, alerts)
    sampler.sample()
    alerts.wait(20)
    found = {alert.key: alert for alert in sampler.sample().alerts}
    assert words in found["on_alert"].title and found["on_alert"].group == "monitor"
    alerts.command = "true"
    run.status(loss=float("inf"), step=1)
    sampler.sample()
    run.status(loss=1.0)
    sampler.sample()
    run.status(loss=float("nan"))
    sampler.sample()
    alerts.wait(20)
    assert "on_alert" not in {alert.key for alert in sampler.sample().alerts}


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("test $XR2TEXT_ALERT_KIND = test", 0, "exit code 0"), ("echo broken; exit 3", 1, "exit code 3: broken")],
)
def test_test_alert_runs_the_command_and_says_how_it_ended(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str, code: int, words: str
) -> None:
    assert main(["--test-alert", "--no-gpu", "--out", str(tmp_path), "--on-alert", command]) == code
    printed = capfd.readouterr()
    assert words in printed.out + printed.err


def test_a_test_is_the_only_news_also_of_a_run_with_alerts(tmp_path: Path) -> None:
    FakeRun(tmp_path).status(loss=float("nan"))
    out = tmp_path / "told"
    command = f"echo $XR2TEXT_ALERT_KIND >> {out}"
    assert main(["--test-alert", "--no-gpu", "--out", str(tmp_path), "--on-alert", command]) == 0
    assert out.read_text() == "test\n"


def test_once_says_that_the_command_failed(tmp_path: Path) -> None:
    FakeRun(tmp_path).status(loss=float("nan"))
    command = [
        sys.executable,
        "-m",
        "xr2text_monitor.cli",
        "--once",
        "--no-gpu",
        "--out",
        str(tmp_path),
        "--on-alert",
        "exit 9",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "exit code 9" in done.stderr
