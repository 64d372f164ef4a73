"""Progress survives the way into a checkpoint and back, and versions that differ in a field."""

from dataclasses import asdict, fields, replace
from pathlib import Path

from xr2text_core.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from xr2text_core.training.plan import Since
from xr2text_core.training.progress import NO_BEST, EpochSums, Progress

EMPTY = Checkpoint(settings={}, fingerprint="", config="", tokenizer="", progress={}, model={}, optimizer={})


def somewhere() -> Progress:
    """Every field differs from its default."""
    rows, since = [{"epoch": "1", "val_loss": "2.5"}], Since(2, 40, 0.25, "single_region")
    sums = EpochSums(123.5, 40, 6.5, 5, 160, 1, 2, 33.25, 4.5)
    return Progress(3, 6, 86, "single_region", 0.25, 2, 0.8, 0.82, 1, 4, 8, 2.5, sums, rows, False, since)


def test_every_field_survives_a_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "latest.pt", replace(EMPTY, progress=somewhere().to_dict()))
    assert Progress.from_dict(load_checkpoint(tmp_path / "latest.pt").progress) == somewhere()
    defaults = asdict(Progress())
    assert all(getattr(somewhere(), field.name) != defaults[field.name] for field in fields(Progress))


def test_unknown_fields_of_a_newer_version_are_left_out() -> None:
    values = somewhere().to_dict()
    values["colour"] = "blue"
    values["sums"]["colour"] = "blue"
    assert Progress.from_dict(values) == somewhere()


def test_missing_fields_of_an_older_version_keep_their_default() -> None:
    values = somewhere().to_dict()
    del values["best_epoch"], values["sums"]["oom_retries"]
    progress = Progress.from_dict(values)
    assert (progress.best_epoch, progress.sums.oom_retries, progress.step) == (0, 0, 86)
    assert Progress.from_dict({}) == Progress()


def test_the_end_of_an_epoch_begins_the_next_at_its_first_step_with_empty_sums() -> None:
    progress = somewhere()
    progress.end_epoch()
    assert (progress.epoch, progress.step_in_epoch, progress.step) == (4, 0, 86)
    assert progress.sums == EpochSums()
    assert progress.best_score == 0.25


def test_an_undefined_score_is_never_the_best() -> None:
    progress = Progress()
    assert not progress.count_score(float("nan")) and progress.best_epoch == 0
    progress.end_epoch()
    assert progress.count_score(0.0) and progress.best_epoch == 2
    progress.end_epoch()
    assert not progress.count_score(float("nan"))
    assert (progress.best_score, progress.epochs_without_improvement) == (0.0, 1)


def scored(progress: Progress, score: float, auc: float, standard_error: float = 0.02) -> bool:
    is_best = progress.count_score(score, auc, standard_error)
    progress.end_epoch()
    return is_best


def test_good_words_do_not_win_over_a_model_that_reads_the_image() -> None:
    progress = Progress()
    assert scored(progress, 0.50, 0.75)
    assert not scored(progress, 0.55, 0.72)  # more than one standard error below
    assert scored(progress, 0.52, 0.74)
    assert (progress.best_epoch, progress.best_auc, progress.highest_auc) == (3, 0.74, 0.75)


def test_a_best_epoch_that_falls_behind_the_highest_auc_gives_way_even_to_a_lower_score() -> None:
    progress = Progress()
    assert scored(progress, 0.55, 0.70)
    assert scored(progress, 0.50, 0.78)
    assert not scored(progress, 0.49, 0.78)
    assert (progress.best_epoch, progress.best_score) == (2, 0.50)


def test_without_an_auc_the_score_alone_decides() -> None:
    progress = Progress()
    assert scored(progress, 0.50, float("nan"), float("nan"))
    assert scored(progress, 0.55, float("nan"), float("nan"))
    assert not scored(progress, 0.54, float("nan"), float("nan"))


def test_the_best_epoch_comes_back_whole_when_its_file_could_not_be_written() -> None:
    progress = Progress()
    assert progress.best == NO_BEST
    scored(progress, 0.5, 0.8)
    kept = progress.best
    scored(progress, 0.6, 0.8)
    progress.best = kept
    assert (progress.best_score, progress.best_epoch, progress.best_auc) == (0.5, 1, 0.8)
    progress.forget_best()
    assert progress.best == NO_BEST and progress.highest_auc == 0


def test_an_epoch_whose_auc_is_not_known_is_judged_by_its_score() -> None:
    progress = Progress()
    assert scored(progress, 0.50, 0.75)
    assert scored(progress, 0.55, float("nan"))
    assert not scored(progress, 0.54, float("nan"))
