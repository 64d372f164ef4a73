"""The whole loop on a handful of phantoms: what a run leaves behind, and that no interruption changes it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import xr2text_core.training.checkpoints
import xr2text_core.training.prepared
import xr2text_core.training.run_log
import xr2text_core.training.trainer
from xr2text_core.data.readers import phantom
from xr2text_core.data.study import DatasetError
from xr2text_core.drawing.names import draw_image
from xr2text_core.inference.trained import load_model
from xr2text_core.machine.watch import MachineWatch
from xr2text_core.report.changes.comparisons import has_comparison
from xr2text_core.report.labeler import LABELER_VERSION
from xr2text_core.run.checkpoint import FORMAT, Checkpoint, load_checkpoint, save_checkpoint, write_contents
from xr2text_core.run.folder import RunError
from xr2text_core.run.history import HEADER, TIME_COLUMNS
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.supervisor.supervise import EXIT_FAILED, EXIT_UNUSABLE
from xr2text_core.train import main
from xr2text_core.training.trainer import Trainer

TINY = ["--num-studies", "40", "--val-studies", "6", "--image-size", "64", "--batch", "8", "--accumulation", "2"]
EPOCHS = 5
TRAIN_LOG = "data/statistics/train.log"


def trainer(folder: Path, *flags: str, **arguments: Any) -> Trainer:
    options = parse_arguments([*TINY, "--epochs", str(EPOCHS), "--out", str(folder), *flags])
    return Trainer(settings_of(options), **arguments)


def history(folder: Path) -> list[dict[str, str]]:
    """The rows of a history without what depends on the clock."""
    with (folder / "data/statistics/training_history.csv").open() as file:
        return [{key: cell for key, cell in row.items() if key not in TIME_COLUMNS} for row in csv.DictReader(file)]


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "data/statistics/events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def weights(folder: Path, name: str = "final_model.pt") -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "checkpoints" / name).model


def assert_same_end(folder: Path, other: Path) -> None:
    assert history(folder) == history(other)
    ours, theirs = weights(folder), weights(other)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def stop_after(run: Trainer, step: int) -> None:
    """Ask a trainer to stop while it takes this step."""
    show = run._show

    def show_then_stop(*arguments: Any) -> None:
        show(*arguments)
        if run.progress.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    run._show = show_then_stop  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert trainer(folder).fit() == 0
    return folder


def test_a_run_leaves_the_checkpoints_of_the_guide(unbroken: Path) -> None:
    names = {path.name for path in (unbroken / "checkpoints").iterdir()}
    assert names == {"best_model.pt", "checkpoint_epoch_5.pt", "final_model.pt", "latest.pt", "run.lock"}


def test_the_history_has_one_row_an_epoch_under_the_fixed_header(unbroken: Path) -> None:
    lines = (unbroken / "data/statistics/training_history.csv").read_text().splitlines()
    assert lines[0] == ",".join(HEADER)
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, EPOCHS + 1))


def test_the_stages_follow_each_other(unbroken: Path) -> None:
    stages = [row["stage"] for row in history(unbroken)]
    assert list(dict.fromkeys(stages)) == ["normal_cases", "single_region", "multi_region", "complex_cases"]


def test_the_steps_of_the_history_are_those_of_the_schedule(unbroken: Path) -> None:
    finished = trainer(unbroken)
    assert int(history(unbroken)[-1]["step"]) == finished.plan.total_steps == finished.progress.step


def test_the_loss_falls(unbroken: Path) -> None:
    losses = [float(row["train_loss"]) for row in history(unbroken)]
    assert losses[-1] < losses[0] - 0.1


def test_status_events_and_figures_tell_of_the_end(unbroken: Path) -> None:
    statistics = unbroken / "data/statistics"
    assert json.loads((statistics / "status.json").read_text())["state"] == "finished"
    kinds = [json.loads(line)["kind"] for line in (statistics / "events.jsonl").read_text().splitlines()]
    assert kinds[0] == "started" and kinds[-1] == "finished" and kinds.count("stage_changed") == 3
    assert {path.suffix for path in (statistics / "figures").iterdir()} == {".png"}


def test_a_best_model_that_writes_one_report_for_all_is_not_saved_silently(unbroken: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(unbroken, tmp_path / "copy")
    run = trainer(copy)
    run.progress.rows[-1]["distinct_reports"] = "1"
    run.run_log.saved(run.folder.best, run.progress)
    last = (copy / "data/statistics/train.log").read_text().splitlines()[-1]
    assert last.endswith("(saved, although every study got the same report)")


def test_run_json_says_how_the_scores_of_the_history_are_made(unbroken: Path) -> None:
    protocol = json.loads((unbroken / "data/statistics/run.json").read_text())["protocol"]
    assert (protocol["text"], protocol["section"], protocol["decoding"]) == ("clean-full", "findings", "greedy")
    assert 10 < protocol["reference_tokens"]["mean"] < 100


def test_no_report_text_reaches_logs_or_events(unbroken: Path) -> None:
    written = "".join((unbroken / "data/statistics" / name).read_text() for name in ("events.jsonl", "train.log"))
    assert "pleural" not in written.lower()


def test_the_best_model_is_that_of_the_row_marked_best(unbroken: Path) -> None:
    best = [int(row["epoch"]) for row in history(unbroken) if row["is_best"] == "1"][-1]
    progress = load_checkpoint(unbroken / "checkpoints/best_model.pt").progress
    assert progress["best_epoch"] == best and progress["epoch"] == best + 1
    assert next(csv.DictReader((unbroken / "data/statistics/best_results.csv").open()))["epoch"] == str(best)


def test_a_finished_run_says_so_and_changes_nothing(unbroken: Path) -> None:
    before = weights(unbroken)
    assert trainer(unbroken).fit() == 0
    status = json.loads((unbroken / "data/statistics/status.json").read_text())
    assert (status["state"], status["epoch"], status["epochs"]) == ("finished", EPOCHS, EPOCHS)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(unbroken).items())


def test_a_finished_run_that_is_started_again_mends_what_could_not_be_written(tmp_path: Path) -> None:
    assert trainer(tmp_path, "--epochs", "2").fit() == 0
    statistics = tmp_path / "data/statistics"
    whole, best = (statistics / "training_history.csv").read_text(), (statistics / "best_results.csv").read_text()
    (statistics / "training_history.csv").write_text(whole[: len(whole) // 2])
    (statistics / "best_results.csv").unlink()
    for figure in (statistics / "figures").iterdir():
        figure.unlink()
    assert trainer(tmp_path, "--epochs", "2").fit() == 0
    assert (statistics / "training_history.csv").read_text() == whole
    assert (statistics / "best_results.csv").read_text() == best
    assert len(list((statistics / "figures").iterdir())) == 3


def test_the_same_seed_gives_the_same_run(unbroken: Path, tmp_path: Path) -> None:
    assert trainer(tmp_path).fit() == 0
    assert_same_end(tmp_path, unbroken)


def test_a_run_stopped_within_an_epoch_ends_as_an_unbroken_one(unbroken: Path, tmp_path: Path) -> None:
    first = trainer(tmp_path)
    stop_after(first, 4)
    assert first.fit() == 128 + signal.SIGTERM
    assert load_checkpoint(tmp_path / "checkpoints/latest.pt").progress["step"] == 4
    second = trainer(tmp_path)
    assert second.progress.step_in_epoch > 0
    assert second.fit() == 0
    assert_same_end(tmp_path, unbroken)


def assert_ends_as(whole: Path, first: Trainer, folder: Path, *flags: str) -> None:
    """Stop a run within an epoch, and start it again: it ends as the unbroken one."""
    stop_after(first, 3)
    assert first.fit() == 128 + signal.SIGTERM
    second = trainer(folder, *flags)
    assert second.progress.step_in_epoch > 0
    assert second.fit() == 0
    assert_same_end(folder, whole)


def test_a_run_on_both_films_stopped_within_an_epoch_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    manifest = tmp_path / "films.csv"
    lines = ["image,study_id,view,split,findings"]
    for number, study in enumerate(phantom.read(num_train=24, num_val=6, num_test=0).studies):
        film = Image.fromarray(draw_image(study.frontal, 64))
        views = {"PA": film, "lateral": film.transpose(Image.Transpose.ROTATE_90)}
        for view, each in list(views.items())[: 1 + number % 2]:  # every other study has a lateral film
            each.save(tmp_path / f"{number}_{view}.png")
            lines.append(f'{number}_{view}.png,{study.study_id},{view},{study.split},"{study.report.findings}"')
    manifest.write_text("\n".join(lines))
    (tmp_path / "3_lateral.png").write_bytes(b"no image")
    flags = ("--data", "manifest", "--root", str(manifest), "--preset", "phantom", "--views", "all", "--epochs", "3")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert trainer(whole, *flags).fit() == 0
    first = trainer(broken, *flags)
    assert [len(films) for films in first.data.train.images[:6]] == [1, 2, 1, 1, 1, 2]
    assert sum(first.data.dataset.left_out.counts.values()) == 1  # the unreadable film; its study stays
    assert_ends_as(whole, first, broken, *flags)
    with pytest.raises(RunError, match=r"--views: all -> frontal"):
        trainer(broken, *flags, "--views", "frontal")
    with pytest.raises(RunError, match=r"--init .* another model.*--views all"):
        init = ("--init", str(whole / "checkpoints/final_model.pt"))
        trainer(tmp_path / "other", *flags, "--views", "frontal", *init)


def test_a_run_on_all_that_lies_on_a_desk_stopped_within_an_epoch_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    flags = ("--desk", "--views", "all", "--indication", "--prior", "--num-studies", "24", "--val-studies", "6")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert trainer(whole, *flags).fit() == 0
    first = trainer(broken, *flags)
    bank = first.parts.composer.bank
    assert not any(map(has_comparison, bank.texts)) and bank.changes is not None and bank.changes.clauses
    assert_ends_as(whole, first, broken, *flags)
    composer = load_model(broken / "checkpoints/final_model.pt").composer
    assert composer is not None and composer.bank.changes == bank.changes
    assert trainer(tmp_path / "alone", *flags[:4]).parts.composer.bank.changes is None
    with pytest.raises(RunError, match=r"--prior: True -> False"):
        trainer(broken, *flags[:4], *flags[5:])
    init = ("--init", str(whole / "checkpoints/final_model.pt"))
    with pytest.raises(RunError, match=r"--init .* another model.*--views all --indication --prior"):
        trainer(tmp_path / "other", *init)


def test_flags_for_what_no_study_has_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"--indication: none of the .* training studies has an indication"):
        trainer(tmp_path / "a", "--indication")
    with pytest.raises(DatasetError, match=r"--prior: none of the .* training studies has an earlier study"):
        trainer(tmp_path / "b", "--prior")


@pytest.mark.slow
def test_a_run_killed_and_started_again_ends_as_an_unbroken_one(unbroken: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xr2text_core.train", *TINY, "--epochs", str(EPOCHS), "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    rows = tmp_path / "data/statistics/training_history.csv"
    deadline = time.monotonic() + 120
    while not (rows.exists() and rows.read_text().count("\n") >= 4):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    again = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr
    assert "Resuming from latest.pt" in again.stdout + again.stderr
    assert_same_end(tmp_path, unbroken)


def test_a_damaged_latest_checkpoint_is_named_and_an_older_one_taken(unbroken: Path, tmp_path: Path) -> None:
    assert trainer(tmp_path).fit() == 0
    checkpoints = tmp_path / "checkpoints"
    for name in ("final_model.pt", "checkpoint_epoch_5.pt"):
        (checkpoints / name).unlink()
    data = bytearray((checkpoints / "latest.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (checkpoints / "latest.pt").write_bytes(data)
    again = trainer(tmp_path)
    assert again.resumed_from == checkpoints / "best_model.pt"
    assert "latest.pt" in (tmp_path / "data/statistics/events.jsonl").read_text()
    assert again.fit() == 0
    assert_same_end(tmp_path, unbroken)


def test_a_damaged_best_model_is_named_and_the_next_epoch_replaces_it(tmp_path: Path) -> None:
    assert trainer(tmp_path, "--epochs", "1").fit() == 0
    best = tmp_path / "checkpoints/best_model.pt"
    best.write_bytes(best.read_bytes()[:-1])
    again = trainer(tmp_path, "--epochs", "2")
    assert again.progress.best_epoch == 0
    assert "best_model.pt: is cut short" in (tmp_path / "data/statistics/events.jsonl").read_text()
    assert again.fit() == 0
    assert load_checkpoint(best).progress["best_epoch"] == 2


def test_a_checkpoint_of_another_model_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trainer(tmp_path, "--epochs", "1").fit() == 0
    found = load_checkpoint(tmp_path / "checkpoints/latest.pt")
    del found.model["encoder.norm.weight"]
    save_checkpoint(tmp_path / "other.pt", found)
    flags = [*TINY, "--epochs", "2", "--out", str(tmp_path), "--resume", str(tmp_path / "other.pt")]
    assert main(flags) == EXIT_UNUSABLE
    assert "other.pt: does not fit" in capsys.readouterr().out


def test_any_checkpoint_can_be_resumed_and_newer_rows_are_cut(unbroken: Path, tmp_path: Path) -> None:
    assert trainer(tmp_path, "--checkpoint-every", "2").fit() == 0
    again = trainer(tmp_path, "--checkpoint-every", "2", resume=tmp_path / "checkpoints/checkpoint_epoch_2.pt")
    assert again.progress.epoch == 3
    assert len(history(tmp_path)) == EPOCHS  # looking at a checkpoint changes nothing on disk
    assert again.fit() == 0
    assert_same_end(tmp_path, unbroken)


def test_a_run_of_an_older_labeler_goes_on_with_one_warning(
    unbroken: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = load_checkpoint(unbroken / "checkpoints" / "checkpoint_epoch_5.pt")
    assert found.labeler == LABELER_VERSION and "labels changed" not in (unbroken / TRAIN_LOG).read_text()
    older = {name: value for name, value in vars(found).items() if name != "labeler"}  # as version 0.1 wrote it
    write_contents(tmp_path / "older.pt", {"format": FORMAT, **older})
    assert load_checkpoint(tmp_path / "older.pt").labeler == 1
    assert trainer(tmp_path / "run", "--epochs", str(EPOCHS + 1), resume=tmp_path / "older.pt").fit() == 0
    assert (tmp_path / "run" / TRAIN_LOG).read_text().count(
        "The labels changed: this run was trained with labeler 1"
    ) == 1
    (event,) = [event for event in events(tmp_path / "run") if event["kind"] == "labels_changed"]
    assert (event["from"], event["to"]) == (1, LABELER_VERSION)
    assert load_checkpoint(tmp_path / "run/checkpoints/final_model.pt").labeler == LABELER_VERSION
    description = json.loads((tmp_path / "run/data/statistics/run.json").read_text())
    assert description["labeler"] == LABELER_VERSION


def test_load_checkpoint_takes_a_trainer_back(unbroken: Path, tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.load_checkpoint(unbroken / "checkpoints/checkpoint_epoch_5.pt")
    assert run.is_finished()
    assert all(torch.equal(run.model.state_dict()[name], tensor) for name, tensor in weights(unbroken).items())


def test_other_studies_do_not_continue_this_run(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w") as file:
        file.write("image,report,split\n")
        for number, split in enumerate(["train", "train", "train", "val"]):
            Image.fromarray(draw_image(f"phantom:0/{number}", 64)).save(tmp_path / f"{number}.png")
            file.write(f"{number}.png,The lungs are clear in study {number}.,{split}\n")
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "b.csv").write_text(text.replace("2.png,The lungs are clear in study 2.,train\n", ""))
    flags = ["--data", "manifest", "--preset", "phantom", "--epochs", "1"]
    assert trainer(tmp_path, *flags, "--root", str(tmp_path / "a.csv")).fit() == 0
    said = (tmp_path / "data/statistics/train.log").read_text()
    assert "No training study is of the class complex_cases" in said
    with pytest.raises(RunError, match=r"other studies.*--run NAME"):
        trainer(tmp_path, *flags, "--root", str(tmp_path / "b.csv"))


def test_a_report_without_the_section_that_is_learned_is_left_out(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w") as file:
        file.write("image,findings,impression,split\n")
        for number, (findings, split) in enumerate([("Clear.", "train"), ("", "train"), ("Clear.", "val")]):
            Image.fromarray(draw_image(f"phantom:0/{number}", 64)).save(tmp_path / f"{number}.png")
            file.write(f"{number}.png,{findings},Normal.,{split}\n")
    flags = ["--data", "manifest", "--preset", "phantom", "--root", str(tmp_path / "a.csv")]
    assert trainer(tmp_path, *flags).data.train.references == ["Clear."]
    assert trainer(tmp_path / "other", *flags, "--section", "impression").data.train.references == ["Normal."] * 2


def test_new_rates_and_steps_are_used_when_a_run_goes_on(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.progress.sums.num_studies, first.progress.step_in_epoch = 16, 1
    first._save(first.folder.latest)
    first.checkpoints.wait(first.progress)
    again = trainer(tmp_path, "--decoder-rate", "0.5", "--accumulation", "1")
    assert {group["peak"] for group in again.parts.optimizer.param_groups if group["part"] == "decoder"} == {0.5}
    assert again.progress.step_in_epoch == 2


def test_a_best_model_that_could_not_be_written_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = xr2text_core.training.checkpoints.save_checkpoint

    def full(path: Path, what: Checkpoint) -> None:
        if path.name == "best_model.pt" and what.progress["epoch"] == 2:
            raise OSError(28, "No space left on device")
        save(path, what)

    monkeypatch.setattr(xr2text_core.training.checkpoints, "save_checkpoint", full)
    assert trainer(tmp_path, "--epochs", "2").fit() == 0
    assert load_checkpoint(tmp_path / "checkpoints/best_model.pt").progress["best_epoch"] == 2
    assert "No space left" in (tmp_path / "data/statistics/events.jsonl").read_text()


@pytest.mark.parametrize(("since_s", "lasted_s", "is_due"), [(580, 30, True), (560, 30, False), (290, 900, False)])
def test_an_autosave_begins_so_early_that_its_file_is_on_disk_when_the_interval_ends(
    tmp_path: Path, since_s: float, lasted_s: float, is_due: bool
) -> None:
    trained = trainer(tmp_path, "--autosave-min", "10")
    checkpoints = trained.checkpoints
    checkpoints.saved_at, checkpoints.writer.lasted_s = time.monotonic() - since_s, lasted_s
    assert checkpoints.is_autosave_due() is is_due


def test_a_history_that_cannot_be_written_follows_with_the_next_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refusals = xr2text_core.training.run_log.write_rows, ["epoch 1"]

    def held_open_at_first(path: Path, rows: list[dict[str, str]]) -> None:
        if refusals:
            raise PermissionError(13, f"somebody holds the file open in {refusals.pop()}")
        write(path, rows)

    monkeypatch.setattr(xr2text_core.training.run_log, "write_rows", held_open_at_first)
    assert trainer(tmp_path, "--epochs", "2").fit() == 0
    assert [row["epoch"] for row in history(tmp_path)] == ["1", "2"]


def test_fresh_moves_the_old_run_aside_and_deletes_nothing(tmp_path: Path) -> None:
    assert trainer(tmp_path, "--epochs", "1").fit() == 0
    old = weights(tmp_path)
    run = trainer(tmp_path, "--epochs", "1", fresh=True)
    assert run.progress.step == 0
    (aside,) = (tmp_path / "checkpoints").glob("before-*")
    kept = load_checkpoint(aside / "final_model.pt").model
    assert all(torch.equal(old[name], kept[name]) for name in old)


def test_another_data_set_does_not_continue_this_run(unbroken: Path) -> None:
    with pytest.raises(RunError, match=r"seed: 0 -> 1.*--fresh"):
        trainer(unbroken, "--seed", "1")


def test_a_second_trainer_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from xr2text_core.run.folder import RunFolder; "
    script += "from xr2text_core.run.lock import lock_run; from xr2text_core.run.status import Status; "
    script += "folder = RunFolder.under(Path(sys.argv[1])); lock = lock_run(folder); "
    script += "Status(folder.status, '', folder.checkpoints).update(state='training'); print(flush=True); input()"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RunError, match=rf"process {other.pid} is training.*--run NAME"):
            trainer(tmp_path)
        other.kill()
    trainer(tmp_path)  # its status still says training and its lock file is there, but the process is gone


def test_a_run_that_cannot_start_says_failed_in_its_status(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("image,report\n")
    with pytest.raises(DatasetError):
        trainer(tmp_path, "--data", "manifest", "--root", str(tmp_path), "--preset", "phantom")
    assert json.loads((tmp_path / "data/statistics/status.json").read_text())["state"] == "failed"


def test_a_file_that_is_taken_away_during_the_start_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cached(folder: Path, *arguments: Any) -> None:
        (folder / "rows.bin").read_bytes()

    monkeypatch.setattr(xr2text_core.training.prepared, "build_cache", cached)
    assert main([*TINY, "--out", str(tmp_path)]) == EXIT_FAILED
    captured = capsys.readouterr()
    (line,) = [line for line in (captured.out + captured.err).splitlines() if "cannot be read or written" in line]
    assert "rows.bin" in line and "The same command continues" in line
    assert "Traceback" not in captured.out + captured.err + (tmp_path / TRAIN_LOG).read_text()


class Heating(MachineWatch):
    """A GPU that is at 95 degrees after the third step, then cools down; nothing of it depends on time."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = [70.0, 70.0, 95.0, 95.0, 88.0, 79.0]
        self.interval_s = 0.0

    temperature_c = property(lambda self: self.readings.pop(0) if len(self.readings) > 1 else self.readings[0])

    def take_hottest_c(self) -> float:
        return 95.0


def test_a_hot_gpu_pauses_the_training_after_saving_and_changes_nothing(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xr2text_core.training.trainer, "watch_machine", lambda device: Heating())
    assert trainer(tmp_path).fit() == 0
    events = [json.loads(line) for line in (tmp_path / "data/statistics/events.jsonl").read_text().splitlines()]
    kinds = [event["kind"] for event in events]
    assert kinds.index("paused") < kinds.index("cooled") and kinds.count("paused") == 1
    assert events[kinds.index("paused")]["step"] == events[kinds.index("cooled")]["step"] == 3
    with (tmp_path / "data/statistics/training_history.csv").open() as file:
        assert {row["gpu_max_c"] for row in csv.DictReader(file)} == {"95"}
    assert_same_end(tmp_path, unbroken)


def test_named_runs_lie_beside_each_other(tmp_path: Path) -> None:
    trainer(tmp_path, "--run", "first")
    assert (tmp_path / "data/statistics/first/status.json").is_file()


def test_two_micro_batch_sizes_train_alike(tmp_path: Path) -> None:
    losses = []
    for name, batch, accumulation in (("a", "16", "1"), ("b", "4", "4")):
        run = trainer(tmp_path / name, "--batch", batch, "--accumulation", accumulation, "--epochs", "1")
        run.model.decoder.dropout = 0.0
        for module in run.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for layer in run.model.decoder.layers:
            layer.dropout = layer.activation_dropout = 0.0
        run.fit()
        losses.append([float(row["train_loss"]) for row in history(tmp_path / name)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--data", "manifest"], "needs --root DIR"),
        (["--data", "manifest", "--root", "nowhere"], "nowhere: no such file or folder"),
        (["--run", "../outside"], "use letters"),
        (["--root", "."], "phantoms are drawn and lie in no folder"),
    ],
)
def test_unusable_flags_end_with_one_clear_error(
    flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, "--preset", "phantom", "--out", str(tmp_path)]) == EXIT_UNUSABLE
    captured = capsys.readouterr()
    assert says in captured.out + captured.err
