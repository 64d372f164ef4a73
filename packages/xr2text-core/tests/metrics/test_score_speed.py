"""The timing command runs, and would fail if a score differed."""

import subprocess
import sys
from pathlib import Path

COMMAND = Path(__file__).parents[2] / "benchmarks" / "score_speed.py"


def test_the_timing_command_finds_scores_equal_on_pseudo_reports() -> None:
    command = [sys.executable, str(COMMAND), "--pairs", "50", "--repeats", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "50 pairs of 50 pseudo-reports" in run.stdout and "largest difference to pycocoevalcap" in run.stdout
