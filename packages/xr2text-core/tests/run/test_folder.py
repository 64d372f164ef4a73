"""The files of a run lie where docs/run-files.md says, and moving them aside loses nothing."""

from pathlib import Path

import pytest

from xr2text_core.run.folder import RunError, RunFolder


def fill(folder: RunFolder, text: str) -> None:
    """Write every file that a run may have."""
    folder.create()
    for path in (folder.history, folder.best_results, folder.status, folder.events, folder.run_json, folder.log):
        path.write_text(text)
    for path in (folder.latest, folder.best, folder.final, folder.periodic(5), folder.figures / "losses.png"):
        path.write_text(text)


def contents(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "name", ["..", "../other", "a/b", "a\\b", "/tmp/x", ".hidden", "-rf", "a b", "a\n", "é", "C:x"]
)
def test_a_run_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="--run"):
        RunFolder.under(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "2026-11-23", "convnext_base.fb_in22k", "A.b-c_d"])
def test_a_run_has_its_own_folders_below_the_shared_ones(tmp_path: Path, name: str) -> None:
    folder = RunFolder.under(tmp_path, name)
    assert folder.checkpoints == tmp_path / "checkpoints" / name
    assert folder.statistics == tmp_path / "data" / "statistics" / name


def test_without_a_name_the_files_lie_where_the_guide_says(tmp_path: Path) -> None:
    folder = RunFolder.under(tmp_path)
    assert folder.best == tmp_path / "checkpoints" / "best_model.pt"
    assert folder.periodic(5) == tmp_path / "checkpoints" / "checkpoint_epoch_5.pt"
    assert folder.history == tmp_path / "data" / "statistics" / "training_history.csv"


def test_moving_aside_keeps_every_file(tmp_path: Path) -> None:
    folder = RunFolder.under(tmp_path)
    fill(folder, "old")
    aside = folder.move_aside()
    assert aside is not None
    assert (aside / "latest.pt").read_text() == "old"
    assert contents(tmp_path) == ["old"] * 11
    assert folder.files() == []


def test_moving_aside_twice_keeps_both(tmp_path: Path) -> None:
    folder = RunFolder.under(tmp_path)
    for text in ("first", "second"):
        fill(folder, text)
        folder.move_aside()
    assert contents(tmp_path) == ["first"] * 11 + ["second"] * 11


def test_moving_aside_leaves_the_folders_of_other_runs_alone(tmp_path: Path) -> None:
    unnamed, named = RunFolder.under(tmp_path), RunFolder.under(tmp_path, "other")
    fill(unnamed, "unnamed")
    fill(named, "other")
    before = named.files()
    unnamed.move_aside()
    assert named.files() == before
    assert all(path.read_text() == "other" for path in before if path.is_file())


def test_moving_aside_leaves_what_is_not_of_a_run_alone(tmp_path: Path) -> None:
    folder = RunFolder.under(tmp_path)
    fill(folder, "old")
    for mine in (folder.checkpoints / "README.md", folder.statistics / "notes.txt"):
        mine.write_text("mine")
    folder.move_aside()
    assert (folder.checkpoints / "README.md").exists()
    assert (folder.statistics / "notes.txt").exists()


def test_nothing_to_move_aside_is_none(tmp_path: Path) -> None:
    folder = RunFolder.under(tmp_path)
    assert folder.move_aside() is None
    folder.create()
    folder.figures.rmdir()
    assert folder.move_aside() is None
