"""Starts that are refused, explained, or made in odd surroundings."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from xr2text_core.run.checkpoint import load_checkpoint, save_checkpoint
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.supervisor.supervise import EXIT_UNUSABLE
from xr2text_core.train import main
from xr2text_core.training.trainer import Trainer

TINY = [
    *("--num-studies", "16", "--val-studies", "4", "--image-size", "64", "--max-tokens", "48", "--device", "cpu"),
    *("--batch", "8", "--accumulation", "1", "--epochs", "2"),
]
MANIFEST = ["--data", "manifest", "--preset", "phantom"]


def flags(folder: Path, *others: str) -> list[str]:
    return [*TINY, "--out", str(folder), *others]


def trainer(folder: Path, *others: str, resume: Path | None = None) -> Trainer:
    return Trainer(settings_of(parse_arguments(flags(folder, *others))), resume=resume)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    assert main(flags(tmp_path)) == 0
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run but its log, which may say why a start was refused."""
    files = [path for part in ("checkpoints", "data/statistics") for path in (folder / part).rglob("*")]
    kept = [path for path in files if path.is_file() and path.name not in ("train.log", "run.lock")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


@pytest.mark.parametrize(
    "others",
    [
        [*MANIFEST, "--root", "mistyped"],
        ["--seed", "7"],
        ["--encoder", "resnet10t"],
        ["--fresh", *MANIFEST, "--root", "mistyped"],
        ["--fresh", "--init", "mistyped.pt"],
        ["--resume", "mistyped.pt"],
        ["--seed", "7", "--explain"],
    ],
    ids=" ".join,
)
def test_a_refused_start_changes_nothing(finished: Path, others: list[str]) -> None:
    before = contents(finished)
    assert main(flags(finished, *others)) == EXIT_UNUSABLE
    assert contents(finished) == before
    assert json.loads((finished / "data/statistics/status.json").read_text())["state"] == "finished"


def test_explain_says_what_a_start_would_do_and_does_nothing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(finished)

    def said(*others: str, out: Path = finished) -> str:
        capsys.readouterr()
        assert main(flags(out, *others, "--explain")) == 0
        return capsys.readouterr().out

    assert "latest.pt has been through 2 epochs" in said()
    more = said("--epochs", "4", "--decoder-rate", "0.001")
    assert "--epochs: 2 -> 4 (the learning rate decays" in more and "in epoch 3 of 4, after none of its steps" in more
    assert [line.split()[0] for line in more.splitlines()[-2:]] == ["3", "4"] and "2.00e-05 2.00e-05" in more
    warm = said("--epochs", "6", "--rewarm").splitlines()[-4:]
    assert float(warm[0].split()[-1]) > 10 * float(warm[-1].split()[-1])
    assert "would be moved aside" in said("--fresh")
    assert "--batch: 8 -> 4" in said("--batch", "4", "--epochs", "3")
    new = said(out=tmp_path / "new")
    assert "A new run would begin" in new and not (tmp_path / "new").exists()
    assert "with the weights of" in said("--init", str(finished / "checkpoints/best_model.pt"), out=tmp_path / "new")
    assert contents(finished) == before


def test_what_explain_promises_is_what_the_run_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(flags(tmp_path, "--explain")) == 0
    promised = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()[-2:]]
    assert main(flags(tmp_path)) == 0
    rows = load_checkpoint(tmp_path / "checkpoints/latest.pt").progress["rows"]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(promised, rel=0.01)


def test_other_validation_studies_choose_the_best_model_anew(finished: Path) -> None:
    again = trainer(finished, "--val-studies", "2", "--epochs", "3")
    assert (again.progress.best_epoch, len(again.data.val)) == (0, 2)
    assert again.fit() == 0
    assert load_checkpoint(finished / "checkpoints/best_model.pt").progress["best_epoch"] == 3
    assert (finished / "data/statistics/best_results.csv").read_text().splitlines()[1].startswith("3,")


def test_another_micro_batch_is_used_and_a_halved_one_is_kept_until_then(tmp_path: Path) -> None:
    first = trainer(tmp_path, "--batch", "8")
    first.progress.micro_batch = 2  # as after out of memory
    first._save(first.folder.latest)
    first.checkpoints.wait(first.progress)
    assert trainer(tmp_path, "--batch", "8").micro_batch == 2
    again = trainer(tmp_path, "--batch", "4", "--accumulation", "2")
    assert (again.micro_batch, again._accumulation()) == (4, 2)


def test_the_best_model_of_an_abandoned_attempt_does_not_pass_for_that_of_this_one(finished: Path) -> None:
    best, final = finished / "checkpoints/best_model.pt", finished / "checkpoints/final_model.pt"
    found = load_checkpoint(best)
    save_checkpoint(best, replace(found, progress={**found.progress, "best_epoch": 9, "step": 99}))
    assert trainer(finished, resume=final).progress.best_epoch > 0  # the same flags come to that epoch again
    again = trainer(finished, "--epochs", "3", resume=final)
    assert again.progress.best_epoch == 0
    assert again.fit() == 0
    assert load_checkpoint(best).progress["best_epoch"] == 3


def run(folder: Path, redirect: str = "", *python: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-m", "xr2text_core.train", *flags(folder)]
    script = f'exec "$@" {redirect}'
    return subprocess.run(["sh", "-c", script, "sh", *command], capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(os.name == "nt", reason="a shell of its own")
@pytest.mark.parametrize("redirect", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_run_without_terminal_trains_and_writes_its_files(tmp_path: Path, redirect: str) -> None:
    done = run(tmp_path, redirect)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Training completed!" in (tmp_path / "data/statistics/train.log").read_text()
    for path in (tmp_path / "checkpoints").glob("*.pt"):
        load_checkpoint(path)


def test_python_without_docstrings_is_one_clear_error(tmp_path: Path) -> None:
    done = run(tmp_path, "", "-OO")
    assert done.returncode == EXIT_UNUSABLE
    assert "-OO" in done.stderr and "Traceback" not in done.stderr


def test_a_trainer_outside_the_main_thread_trains(tmp_path: Path) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(trainer(tmp_path, "--epochs", "1").fit()))
    thread.start()
    thread.join(120)
    assert codes == [0]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signal")
def test_a_scheduler_that_announces_the_end_finds_the_position_saved(tmp_path: Path) -> None:
    first = trainer(tmp_path, "--no-curriculum")
    show = first._show

    def show_then_signal(*arguments: object) -> None:
        show(*arguments)  # type: ignore[arg-type]
        if first.progress.step == 1:
            os.kill(os.getpid(), signal.SIGUSR1)

    first._show = show_then_signal  # type: ignore[method-assign, assignment]
    assert first.fit() == 128 + signal.SIGUSR1
    assert trainer(tmp_path, "--no-curriculum").progress.step == 1


@pytest.mark.parametrize(
    "name", ["figures", "FIGURES", "latest.pt", "a.pdf", "tensorboard", "wandb", "before-2026", "con", "a" * 300, "x."]
)
def test_a_name_that_is_kept_for_files_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(tmp_path, "--run", name)) == EXIT_UNUSABLE
    assert f"--run '{name[:100]}'" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_status_that_cannot_be_read_ends_no_start(tmp_path: Path) -> None:
    (tmp_path / "data/statistics/status.json").mkdir(parents=True)
    assert main(flags(tmp_path, "--epochs", "1")) == 0
    assert (tmp_path / "checkpoints/final_model.pt").exists()
