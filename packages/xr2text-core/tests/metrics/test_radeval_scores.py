"""Clinical metrics come from radeval under its names, or not at all. A double with its interface stands for it here."""

import argparse
import csv
import sys
from pathlib import Path

import pytest

from xr2text_core import score
from xr2text_core.metrics import radeval_scores
from xr2text_core.metrics.outcome import Extras, add_score_flags
from xr2text_core.metrics.radeval_scores import clinical_scores, metric_names

# As much of radeval 2.2 as is used: RadEval(metrics=[..], show_progress=..)(refs=[..], hyps=[..]) -> {name: number}.
DOUBLE = """
import os

class RadEval:
    def __init__(self, metrics, show_progress):
        (self.metric,) = metrics
        print("loading", self.metric)
        if self.metric == "radgraph":
            raise OSError("weights cannot be reached" + chr(10) + "second line")
        if self.metric == "green":
            os._exit(3)

    def __call__(self, refs, hyps):
        share = sum(ref == hyp for ref, hyp in zip(refs, hyps, strict=True)) / len(refs)
        numbers = {self.metric + "_same": share, "labels": ["not a number"]}
        weights = os.path.join(__import__("appdirs").user_cache_dir("chexbert"), "chexbert.pth")
        return {**numbers, "weights_found": 1} if os.path.exists(weights) else numbers
"""
REFERENCES, GOOD, BAD = ["Edema.", "Clear."], ["Edema.", "Clear."], ["Edema.", "Fracture."]


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a test double of radeval, found by this process and by those that it starts; no network."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "radeval.py").write_text(DOUBLE)
    (folder / "appdirs.py").write_text("def user_cache_dir(name): return 'usual place'\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(radeval_scores, "_hub_answers", lambda: False)
    return folder


def test_numbers_are_radevals_under_its_names_for_every_row(double: Path) -> None:
    found = clinical_scores(metric_names("chexbert,ratescore"), {"good": GOOD, "bad": BAD}, REFERENCES)
    assert [(each.row, each.name, each.value) for each in found] == [
        ("good", "f1chexbert_same", 1.0),
        ("bad", "f1chexbert_same", 0.5),
        ("good", "ratescore_same", 1.0),
        ("bad", "ratescore_same", 0.5),
    ]
    assert "radeval" not in sys.modules, "it runs in a process of its own"


def test_what_cannot_be_loaded_is_not_available_and_says_why(double: Path) -> None:
    scores = clinical_scores(["radgraph", "f1chexbert"], {"good": GOOD}, REFERENCES)
    assert [(each.name, each.value, each.reason) for each in scores] == [
        ("radgraph", None, "OSError: weights cannot be reached"),
        ("f1chexbert_same", 1.0, ""),
    ]


def test_a_crash_of_radeval_leaves_the_scores_before_it(double: Path) -> None:
    scores = clinical_scores(["f1chexbert", "green", "ratescore"], {"good": GOOD}, REFERENCES)
    assert [(each.metric, each.value) for each in scores] == [("f1chexbert", 1.0), ("green", None), ("ratescore", None)]
    assert scores[1].reason == "radeval ended with exit code 3"


def test_without_the_package_nothing_is_available_and_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radeval_scores, "find_spec", lambda name: None)
    monkeypatch.setattr(radeval_scores.subprocess, "run", lambda *_: pytest.fail("a process was started"))
    (found,) = clinical_scores(["radgraph"], {"good": GOOD}, REFERENCES)
    assert found.value is None and "radeval is not installed" in found.reason


def test_weights_are_looked_for_in_the_given_folder(double: Path, tmp_path: Path) -> None:
    environment = radeval_scores._environment(tmp_path / "weights")
    assert environment["HF_HOME"] == str(tmp_path / "weights" / "huggingface")
    assert environment["HF_HUB_OFFLINE"] == "1", "the hub does not answer here"
    (tmp_path / "weights" / "chexbert").mkdir(parents=True)
    (tmp_path / "weights" / "chexbert" / "chexbert.pth").write_bytes(b"weights")
    found = clinical_scores(["f1chexbert"], {"good": GOOD}, REFERENCES, tmp_path / "weights")
    assert [each.name for each in found] == ["f1chexbert_same", "weights_found"]


def test_only_metrics_that_keep_reports_on_this_computer_are_offered() -> None:
    assert metric_names("CheXbert, radgraph,f1chexbert") == ["f1chexbert", "radgraph"]
    for name in ("crimson", "radfact_ct", "mammo_green", "chexpert", ""):
        with pytest.raises(ValueError, match="choose of chexbert"):
            metric_names(name)


def test_nothing_is_loaded_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    add_score_flags(parser, None)
    monkeypatch.setattr(radeval_scores, "find_spec", lambda name: pytest.fail("looked for"))
    extras = Extras.asked_for(parser.parse_args([]))
    assert extras.clinical_scores({"good": GOOD}, REFERENCES) == [] and extras.meteor is None


def test_score_prints_and_writes_what_radeval_says(
    double: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,candidate,reference\n1,Edema.,Edema.\n2,Fracture.,Clear.\n")
    assert score.main([str(file), "--clinical", "chexbert,radgraph", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "f1chexbert_same" in shown and "0.5000" in shown
    assert "not available: OSError: weights cannot be reached" in shown
    with (tmp_path / "scores_x_clinical.csv").open() as table:
        rows = {row["name"]: row for row in csv.DictReader(table)}
    assert rows["f1chexbert_same"]["value"] == "0.5" and rows["radgraph"]["value"] == ""
    assert rows["radgraph"]["reason"].startswith("OSError") and rows["radgraph"]["protocol"] == "clean-full"
