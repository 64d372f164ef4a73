"""The command without a screen: what it prints and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_run import FakeRun

from xr2text_monitor.cli import limits_from, main


def test_a_healthy_run_is_printed_and_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FakeRun(tmp_path).typical()
    assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for expected in ("training", "13/50", "single_region", "0.0876", "best_model.pt", "new_best"):
        assert expected in printed


def test_no_run_exits_with_2_and_names_the_runs_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeRun(tmp_path, "night-1").status()
    assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 2
    assert "--run night-1" in capsys.readouterr().out
    assert main(["--once", "--no-gpu", "--out", str(tmp_path), "--run", "night-1"]) == 0


def test_a_killed_run_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = FakeRun(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    run.status(pid=child.pid)
    os.utime(run.statistics / "status.json", (run.now - 60, run.now - 60))
    assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 1
    assert f"pid {child.pid} is gone" in capsys.readouterr().out


@pytest.mark.parametrize("ahead_s", [10, 3600, 10**8])
def test_a_killed_run_whose_files_are_dated_in_the_future_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ahead_s: float
) -> None:
    run = FakeRun(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    run.status(pid=child.pid)
    os.utime(run.statistics / "status.json", (run.now + ahead_s, run.now + ahead_s))
    run.status(pid=child.pid, updated_at=None)
    os.utime(run.statistics / "status.json", (run.now + ahead_s, run.now + ahead_s))
    assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 1
    assert "presumed dead" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "\x00" * 100, '{"state": "training"', "5", "<html>"])
def test_a_damaged_status_is_unknown_and_exits_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    run = FakeRun(tmp_path)
    for with_history in (False, True):
        if with_history:
            run.rows([1, 2])
        (run.statistics / "status.json").write_text(damage)
        assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 3
        printed = capsys.readouterr().out
        assert "cannot read status.json: it is damaged" in printed and "UNKNOWN" in printed


def test_a_history_that_is_not_understood_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = FakeRun(tmp_path)
    run.status()
    run.history.write_text("epoch;stage\n1;a\n")
    assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 3
    assert "separated by semicolons" in capsys.readouterr().out


def test_information_alone_does_not_change_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = FakeRun(tmp_path)
    run.typical()
    run.event("clock_jumped", "The clock jumped")
    assert main(["--once", "--no-gpu", "--out", str(tmp_path)]) == 0
    assert "info " in capsys.readouterr().out


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "x"])
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
def test_an_event_from_the_edge_of_the_calendar_is_printed(tmp_path: Path, at: str, zone: str) -> None:
    run = FakeRun(tmp_path)
    run.status()
    with (run.statistics / "events.jsonl").open("a") as file:
        file.write(json.dumps({"at": at, "kind": "gave_up", "message": "long ago"}) + "\n")
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--no-gpu", "--out", str(tmp_path)]
    environment = {**os.environ, "TZ": zone}
    for option in ("--once", "--json"):
        done = subprocess.run([*command, option], env=environment, capture_output=True, text=True)
        assert done.returncode == 1 and "long ago" in done.stdout, done.stderr
    process = subprocess.Popen([*command, "--watch-log"], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and "gave_up: long ago" in process.stdout.readline()
    process.terminate()
    process.communicate(timeout=20)


def test_a_mistyped_run_is_offered_the_one_that_was_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("night-1", "baseline", "deep/er"):
        FakeRun(tmp_path, name).status()
    for wrong, right in (("nihgt-1", "night-1"), ("Baseline", "baseline"), ("deep/ear", "deep/er")):
        assert main(["--once", "--no-gpu", "--out", str(tmp_path), "--run", wrong]) == 2
        printed = capsys.readouterr().out
        assert f"did you mean --run {right}?" in printed and "--run baseline" in printed
    assert main(["--once", "--no-gpu", "--out", str(tmp_path), "--run", "zzz"]) == 2
    printed = capsys.readouterr().out
    assert "did you mean" not in printed and "--run night-1" in printed


def test_json_is_strict_json_also_where_values_are_not_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = FakeRun(tmp_path)
    run.typical()
    run.status(loss=float("nan"))
    assert main(["--json", "--no-gpu", "--out", str(tmp_path)]) == 1
    fields = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert fields["status"]["loss"] is None and fields["alerts"][0]["key"] == "loss_not_finite"
    assert fields["history"]["last"]["epoch"] == 12 and fields["progress"]["eta_s"] > 0


def test_hostile_names_come_out_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = FakeRun(tmp_path)
    run.status(stage="[red]x[/]\x1b]0;title\x07", message="[/nonsense]")
    run.checkpoint("[bold]\x1b[2J.pt")
    run.event("[link=x]", "\x1b[31m[blink]")
    main(["--once", "--no-gpu", "--out", str(tmp_path)])
    assert "\x1b" not in capsys.readouterr().out


def test_memory_limits_are_gib_or_a_percentage() -> None:
    assert limits_from(85, "7.5").memory_mib(None) == 7680
    assert limits_from(85, "90%").memory_mib(1000) == 900
    for wrong in ("", "x", "-1", "nan", "%"):
        with pytest.raises(ValueError, match="--max-memory-gb"):
            limits_from(85, wrong)


def test_limits_that_are_not_given_fit_the_card() -> None:
    assert limits_from(None, None).memory_mib(8188) == 7680 and limits_from(None, None).memory_mib(24564) > 23_000
    assert limits_from(None, "7.5").memory_mib(24564) == 7680


@pytest.mark.parametrize(
    "arguments",
    [
        ["--run", "../x"],
        *(["--max-memory-gb", value] for value in ("lots", "nan", "inf", "-1", "0", "101%", "nan%", "")),
        *([f"--max-temp={value}"] for value in ("nan", "inf", "-5", "0", "1000", "warm", "")),
        ["--on", "breakfast", "--on-alert", "true"],
        ["--on", "", "--on-alert", "true"],
        ["--on", "finished"],
        ["--test-alert"],
        ["--on-alert", " "],
    ],
)
def test_wrong_options_name_themselves(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--once"])
    assert arguments[0].partition("=")[0] in capsys.readouterr().err and ended.value.code == 2


@pytest.mark.parametrize("short", ["--we", "--onc", "--js", "--watch", "--no", "--max-t=80"])
def test_options_are_not_guessed_from_their_beginnings(short: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([short])
    assert short.partition("=")[0] in capsys.readouterr().err


def test_on_alert_gets_the_warning_in_its_environment(tmp_path: Path) -> None:
    run = FakeRun(tmp_path, "night; touch hacked")
    run.status(loss=float("inf"))
    out = tmp_path / "seen"
    command = f'echo "$XR2TEXT_ALERT|$XR2TEXT_ALERT_TITLE|$XR2TEXT_ALERT_RUN" > {out}'
    arguments = ["--once", "--no-gpu", "--out", str(tmp_path), "--run", run.name, "--on-alert", command]
    assert main(arguments) == 1
    assert out.read_text().strip() == "loss_not_finite|loss is inf|night; touch hacked"
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_log_prints_events_and_leaves_quietly(tmp_path: Path, number: signal.Signals, ignored: bool) -> None:
    """Also where Ctrl-C is ignored at the start, as by `nohup sh -c '... &'` and job schedulers."""
    FakeRun(tmp_path).typical()
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--watch-log", "--no-gpu", "--out", str(tmp_path)]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert "started: Training 50 epochs" in first and errors == "" and process.returncode == 0


def test_the_run_is_not_touched(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.typical()

    def look() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(tmp_path.rglob("*"))}

    before = look()
    main(["--once", "--no-gpu", "--out", str(tmp_path)])
    main(["--json", "--no-gpu", "--out", str(tmp_path)])
    assert look() == before
