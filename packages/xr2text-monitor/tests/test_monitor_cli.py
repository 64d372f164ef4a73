"""The command without a screen: what it prints and how it ends."""

import json
import os
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


@pytest.mark.parametrize("arguments", [["--run", "../x"], ["--max-memory-gb", "lots"]])
def test_wrong_options_name_themselves(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*arguments, "--once"])
    assert arguments[0] in capsys.readouterr().err


def test_on_alert_gets_the_warning_in_its_environment(tmp_path: Path) -> None:
    run = FakeRun(tmp_path, "night; touch hacked")
    run.status(loss=float("inf"))
    out = tmp_path / "seen"
    command = f'echo "$XR2TEXT_ALERT|$XR2TEXT_ALERT_TITLE|$XR2TEXT_ALERT_RUN" > {out}'
    arguments = ["--once", "--no-gpu", "--out", str(tmp_path), "--run", run.name, "--on-alert", command]
    assert main(arguments) == 1
    assert out.read_text().strip() == "loss_not_finite|loss is inf|night; touch hacked"
    assert not (tmp_path / "hacked").exists()


def test_watch_log_prints_events_and_leaves_quietly(tmp_path: Path) -> None:
    FakeRun(tmp_path).typical()
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--watch-log", "--no-gpu", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    process.send_signal(2)
    _, errors = process.communicate(timeout=20)
    assert "started: Training started" in first and errors == "" and process.returncode == 0


def test_the_run_is_not_touched(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.typical()

    def look() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(tmp_path.rglob("*"))}

    before = look()
    main(["--once", "--no-gpu", "--out", str(tmp_path)])
    main(["--json", "--no-gpu", "--out", str(tmp_path)])
    assert look() == before
