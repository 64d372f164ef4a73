"""Every benchmark says what it does, and what they print is read and shown as it was meant."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("run", monkeypatch)


def imported(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__(name)


@pytest.mark.parametrize("name", ["choices", "loop_overhead", "peers", "run", "scaling"])
def test_each_benchmark_says_what_it_does(name: str) -> None:
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--help"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert found.returncode == 0, found.stderr
    assert f"python benchmarks/{name}.py" in found.stdout or name == "run"


def test_every_part_has_its_script(run: ModuleType) -> None:
    assert [part.script for part in run.PARTS if not (FOLDER / part.script).is_file()] == []


OUTPUTS = {
    "loop": "phantom: 320 studies\n  ratio 1.020 (1.0 to 1.1)\nconvnext_atto: 9\n  ratio        1.050   target 1.03",
    "peers": "| training, studies/s | 9.0 | 3.0 | 4.5 | 2.00 x |\n| start-up, s | 5.0 | 4.0 | 4.0 | 0.80 x |",
    "scores": "ours: BLEU, ROUGE-L, CIDEr from tokens  0.5 s\npycocoevalcap: BLEU, ROUGE-L, CIDEr from tokens   2.0 s",
    "checkpoint": "of which the loop waits   0.01 s = 3.1% of the plain save (target 5%), 2.0% of ours",
}


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("loop", ["| 1.02 x | <= 1.03 x | met |", "| 1.05 x | <= 1.03 x | MISSED |"]),
        ("peers", ["| 2 x | >= 1 x | met |", "| - | >= 1 x | not measured |", "| 0.8 x | >= 1 x | MISSED |"]),
        ("scores", ["| 0.25 x | <= 1 x | met |"]),
        ("checkpoint", ["| 3.1 % | <= 5 % | met |"]),
    ],
)
def test_numbers_are_read_from_what_a_benchmark_prints(run: ModuleType, part: str, rows: list[str]) -> None:
    (known,) = (each for each in run.PARTS if each.name == part)
    text = "\n".join(run.summary([run.Outcome(known, "", OUTPUTS[part], 1.0, 0)]))
    assert [row for row in rows if row not in text] == []


def test_only_what_lies_between_the_markers_is_replaced(run: ModuleType) -> None:
    page = "before\n<!-- measured -->\nold\n<!-- end of measured -->\nafter\n"
    new = run.put_between_markers(page, "measured", "new")
    assert new == "before\n<!-- measured -->\n\nnew\n\n<!-- end of measured -->\nafter\n"
    assert run.put_between_markers(new, "measured", "new") == new
    with pytest.raises(ValueError, match="<!-- other -->"):
        run.put_between_markers(page, "other", "new")


def test_the_page_has_the_markers(run: ModuleType) -> None:
    assert "new" in run.put_between_markers(run.PAGE.read_text("utf-8"), "measured", "new")


def test_tables_stay_tables_and_other_lines_stay_as_printed(run: ModuleType) -> None:
    assert "\n".join(run._shown("one\n| a |\n|---|\ntwo")) == "```\none\n```\n\n| a |\n|---|\n```\ntwo\n```"


def test_a_sum_over_processes_takes_as_long_as_its_slowest_link(monkeypatch: pytest.MonkeyPatch) -> None:
    scaling = imported("scaling", monkeypatch)
    assert scaling.sum_s(1, 1e9, 10e9) == 0
    assert scaling.sum_s(2, 1e9, 10e9) == pytest.approx(0.1)  # each sends and gets the whole once
    assert scaling.sum_s(8, 1e9, 10e9) == pytest.approx(0.175)
    assert scaling.step_s(4, 8.0, 0.5, 1.0) == pytest.approx(3.5)  # a quarter of the studies, the update, the sum
