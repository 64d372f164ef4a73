"""Seeds that share their test set are trained, scored and gathered by the commands that the guide gives."""

import csv
from pathlib import Path

import pytest

from xr2text_core import evaluate, train
from xr2text_core.inference.trained import load_model

TINY = [
    *("--num-studies", "16", "--val-studies", "4", "--image-size", "64", "--max-tokens", "24", "--device", "cpu"),
    *("--batch", "8", "--accumulation", "1", "--epochs", "1"),
]


def score(folder: Path, run: str) -> None:
    flags = ["--checkpoint", f"checkpoints/{run}/best_model.pt", "--num-studies", "6", "--beams", "1"]
    assert evaluate.main([*flags, "--neighbours", "0"]) == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a, its repetition b with another seed, and c on other phantoms: all scored."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = ["--config", "data/statistics/a/run.json"]
        assert train.main([*TINY, "--run", "a"]) == 0
        assert train.main([*config, "--seed", "1", "--data-seed", "0", "--run", "b"]) == 0
        assert train.main([*config, "--seed", "2", "--run", "c"]) == 0
        for run in "abc":
            score(folder, run)
    return folder


def test_a_run_json_repeats_its_run(runs: Path) -> None:
    first, second = (load_model(runs / f"checkpoints/{run}/best_model.pt").settings for run in "ab")
    assert (second.seed, second.data_seed, second.run) == (1, 0, "b")
    assert (second.epochs, second.image_size, second.num_studies) == (first.epochs, first.image_size, first.num_studies)


def test_a_data_seed_gives_the_studies_of_the_run_with_that_seed(runs: Path) -> None:
    a, b, c = (load_model(runs / f"checkpoints/{run}/best_model.pt").dataset() for run in "abc")
    assert a.studies == b.studies
    assert [study.report for study in a.split("test")] != [study.report for study in c.split("test")]


def test_scores_of_runs_are_gathered_by_their_names_or_their_files(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs)
    assert evaluate.main(["--runs", "a", "b", "--num-studies", "6", "--latex", "thesis.tex"]) == 0
    assert "means of 2 runs (a, b)" in " ".join(capsys.readouterr().out.split())
    by_name = (runs / "data/statistics/runs_a_b_best_model_test_first_6.csv").read_text(encoding="utf-8")
    row = next(csv.DictReader(by_name.splitlines()))
    assert (row["row"], row["runs"], row["num_reports"]) == ("model", "a b", "6")
    assert (runs / "thesis.tex").is_file()
    files = [f"data/statistics/{run}/scores_best_model_test_first_6.csv" for run in "ab"]
    assert evaluate.main(["--runs", *files, "--out", "files"]) == 0
    (by_file,) = (runs / "files").glob("*.csv")
    assert by_file.read_text(encoding="utf-8").replace(files[0], "a").replace(files[1], "b") == by_name


def test_runs_on_other_phantoms_are_not_averaged(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs)
    assert evaluate.main(["--runs", "a", "c", "--num-studies", "6"]) == 2
    assert "a and c are not comparable" in capsys.readouterr().err
    assert evaluate.main(["--runs", "a", "b"]) == 2  # of the whole split there are none yet
    assert "scores_best_model_test.csv; `evaluate` writes it" in capsys.readouterr().err


def test_flags_that_cannot_matter_beside_runs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(["--runs", "a", "b", "--beams", "1", "--protocol", "r2gen-iu"])
    assert "leave out --beams, --protocol" in capsys.readouterr().err
