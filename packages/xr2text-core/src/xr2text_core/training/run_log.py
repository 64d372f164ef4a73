"""The log of a run, on the console and in the files that others read: status, events, history, results."""

import json
import logging
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from xr2text_core.machine.watch import COOL_BY_C
from xr2text_core.report.labeler import LABELER_VERSION
from xr2text_core.run.atomic import replace_text, replacing
from xr2text_core.run.console import set_up_console
from xr2text_core.run.errors import UserError
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.history import EpochRow, cells_of, write_best, write_rows
from xr2text_core.run.lock import lock_run, locked
from xr2text_core.run.status import Events, NullEvents, NullStatus, Status, now
from xr2text_core.run.tracking import Curves
from xr2text_core.settings.settings import Settings
from xr2text_core.training.plan import Plan
from xr2text_core.training.progress import Best, Progress
from xr2text_core.training.step import StepResult

SCORE_NAMES = {"bleu_4+rouge_l": "BLEU-4 + ROUGE-L", "clinical_f1": "label F1"}
log = logging.getLogger("xr2text_core.train")


def open_run(folder: RunFolder, settings: Settings, fresh: bool, is_rank_0: bool) -> "RunLog":
    """Lock the folders of a run for this process, and move what is there aside if `fresh`.

    Only rank 0 writes; the others log warnings only.
    """
    if not is_rank_0:
        set_up_console(level=logging.WARNING)
        return NullRunLog(folder, settings)
    lock = lock_run(folder)
    aside = folder.move_aside() if fresh else None
    folder.create()
    set_up_console(folder.log)
    if aside:
        log.info("The files of the last run were moved to %s and its neighbour below data/statistics.", aside)
    return RunLog(folder, settings, lock, aside)


class RunLog:
    """A failed write is logged and repeated with the next one; it never aborts training."""

    def __init__(
        self, folder: RunFolder, settings: Settings, lock: FileLock | None = None, aside: Path | None = None
    ) -> None:
        self.folder = folder
        self.lock = lock  # held as long as this object lives, or until training ends
        self.aside = aside  # where the files of the last run went, if they did
        self.last_status = b""
        with suppress(OSError):  # none yet, or one that cannot be read
            self.last_status = folder.status.read_bytes()
        self.is_refused = False
        self.settings = settings
        self.status = Status(folder.status, settings.run, folder.checkpoints)
        self.events = Events(folder.events)

    def announce(self, description: dict[str, Any], progress: Progress, resumed_from: Path | None) -> None:
        """Write run.json, and log the start or the resume."""
        where = {"epoch": progress.epoch, "step": progress.step}
        if resumed_from is None:
            weights = f" from the weights of {Path(self.settings.init).name}" if self.settings.init else ""
            self.events.add("started", f"Training {self.settings.epochs} epochs{weights}", **where)
        else:
            done = f"epoch {progress.epoch}, step {progress.step_in_epoch + 1}"
            name = resumed_from.name
            self.events.add("resumed", f"Resuming from {name} at {done}", checkpoint=name, **where)
        self._write_description(description)

    def labels(self, resumed: int | None, progress: Progress) -> None:
        """Warn where the run was trained with another version of the labeler: it continues, with other labels."""
        if resumed is None or resumed == LABELER_VERSION:
            return
        message = (
            f"The labels changed: this run was trained with labeler {resumed} and continues with labeler "
            f"{LABELER_VERSION}. Curriculum classes, finding loss and label F1 differ from here on"
        )
        if self.settings.select_by == "clinical_f1":
            message += "; the best score so far was computed with the old labels"
        where = {"epoch": progress.epoch, "step": progress.step}
        self.events.add("labels_changed", message, **{"from": resumed, "to": LABELER_VERSION}, **where)

    def stage(self, progress: Progress, plan: Plan, device: str) -> None:
        """Log the start of an epoch."""
        stage, epochs = plan.stage(progress.epoch), self.settings.epochs
        if progress.stage and stage != progress.stage:
            self.events.add(
                "stage_changed", f"Curriculum stage changed: {progress.stage} -> {stage}",
                epoch=progress.epoch, **{"from": progress.stage, "to": stage},
            )  # fmt: skip
        self.status.update(
            state="training",
            epoch=progress.epoch,
            epochs=epochs,
            stage=stage,
            step=progress.step_in_epoch,
            steps_in_epoch=progress.step_in_epoch + plan.num_steps(progress.epoch, progress.sums.num_studies),
            total_step=progress.step,
            device=device,
            select_by=self.settings.select_by,
            best_score=progress.best_score if progress.best_epoch else None,
            best_epoch=progress.best_epoch or None,
            message=f"training epoch {progress.epoch} of {epochs}",
        )

    def step(
        self, result: StepResult, progress: Progress, accumulation: int, learning_rate: float, eta_s: float
    ) -> None:
        """Log a step."""
        where = {"epoch": progress.epoch, "step": progress.step}
        if result.oom_retries:
            self.events.add(
                "out_of_memory",
                f"Out of memory: {result.micro_batch} studies per micro-batch from now on; the step was repeated",
                **where, micro_batch=result.micro_batch, accumulation=accumulation,
            )  # fmt: skip
        if result.was_skipped:
            self.events.add("skipped_step", "A step was skipped: loss or gradients are not finite", **where)
        self.status.recent_losses.append(result.loss)
        self.status.update(
            step=progress.step_in_epoch,
            total_step=progress.step,
            loss=result.loss,
            learning_rate=learning_rate,
            studies_per_s=progress.sums.num_studies / progress.sums.train_s,
            eta_s=eta_s,
            micro_batch=result.micro_batch,
            accumulation=accumulation,
        )

    def images_lost(self, names: list[str], progress: Progress) -> None:
        """Log images whose cached pixels are damaged and whose files are gone; the run continues without them."""
        for name in names:
            message = (
                f"Image lost: {name} is damaged in the cache and its file cannot be read; the run continues without it"
            )
            self.events.add("image_lost", message, image=name, epoch=progress.epoch, step=progress.step)

    def paused(self, progress: Progress, temperature_c: float | None, pause_temp: float) -> None:
        message = f"Too hot: paused until the GPU is {COOL_BY_C:.0f} degrees below {pause_temp:.0f} °C (position saved)"
        where = {"epoch": progress.epoch, "step": progress.step}
        self.events.add("paused", message, temperature_c=temperature_c, **where)
        self.status.update(state="cooling", message=message)

    def cooling(self, temperature_c: float | None) -> None:
        """A heartbeat while the trainer waits."""
        reading = "unknown" if temperature_c is None else f"{temperature_c:.0f} °C"
        self.status.update(message=f"cooling down, GPU at {reading}")

    def cooled(self, progress: Progress, temperature_c: float | None) -> None:
        message = f"Cool again: training continues with epoch {progress.epoch}"
        self.events.add("cooled", message, temperature_c=temperature_c, epoch=progress.epoch, step=progress.step)
        self.status.update(state="training", message=f"training epoch {progress.epoch} of {self.settings.epochs}")

    def row(self, row: EpochRow, progress: Progress) -> None:
        """Append the row of an epoch; if the file cannot be written, the next epoch writes it."""
        progress.rows.append(cells_of(row))
        self._write_history(progress)
        self.curves.add(row)

    def epoch(self, row: EpochRow, num_val: int) -> None:
        """Log the results of an epoch."""
        log.info(
            "Epoch %d/%d | Train: %.4f | Val: %.4f | BLEU-4: %.4f | ROUGE-L: %.4f | label F1: %s | "
            "distinct: %d/%d",
            row.epoch, self.settings.epochs, row.train_loss or float("nan"), row.val_loss, row.bleu_4, row.rouge_l,
            "-" if row.clinical_f1 is None or math.isnan(row.clinical_f1) else f"{row.clinical_f1:.3f}",
            row.distinct_reports, num_val,
        )  # fmt: skip
        if row.distinct_reports == 1 and num_val > 1:
            self.events.add("collapsed", "Every study got the same report", epoch=row.epoch, distinct_reports=1)

    def choice(self, before: Best, score: float, is_best: bool, progress: Progress) -> None:
        """Say it where the finding AUC decides against the score."""
        if is_best and score < before.score:
            log.info(
                "Epoch %d replaces epoch %d as the best although its score is lower (%.4f, was %.4f): the finding AUC "
                "of the older one, %.3f, is more than one standard error below %.3f.",
                progress.epoch, before.epoch, score, before.score, before.auc, progress.highest_auc,
            )  # fmt: skip
        elif not is_best and score > before.score:
            log.info(
                "Epoch %d has a higher score (%.4f) than the best, but reads the image worse: its finding AUC is more "
                "than one standard error below %.3f.",
                progress.epoch, score, progress.highest_auc,
            )  # fmt: skip

    def saved(self, path: Path, progress: Progress) -> None:
        """A checkpoint is on disk. `progress` is what it contains: the loop may be ahead of it."""
        self.status.update(last_checkpoint=path.name, last_checkpoint_at=now())
        where = {"checkpoint": path.name, "epoch": progress.epoch, "step": progress.step}
        if path == self.folder.best:
            self.best_results(progress)
            is_collapsed = progress.rows[-1]["distinct_reports"] == "1"
            saved = "saved, although every study got the same report" if is_collapsed else "saved"
            message = f"New best model! {self.score_name} = {progress.best_score:.4f} ({saved})"
            self.events.add("new_best", message, epoch=progress.best_epoch, score=progress.best_score)
        elif path == self.folder.final:
            self.events.add("checkpoint_saved", f"Final checkpoint saved: {path.name}", **where)
        elif path != self.folder.latest:
            self.events.add("checkpoint_saved", f"Checkpoint saved: {path.name}", **where)

    def save_failed(self, path: Path, error: OSError, progress: Progress) -> None:
        message = f"{path.name} could not be written: {error}. Any older file is intact; the next save tries again"
        where = {"epoch": progress.epoch, "step": progress.step}
        self.events.add("checkpoint_failed", message, checkpoint=path.name, reason=str(error), **where)

    def reconcile(self, progress: Progress) -> None:
        """Before the loop: make history and results match the weights."""
        if progress.rows or self.folder.history.exists():
            self._write_history(progress)
        self.best_results(progress)

    def _write_description(self, description: dict[str, Any]) -> None:
        try:
            replace_text(self.folder.run_json, json.dumps(description, indent=1) + "\n")
        except OSError as error:
            log.warning("run.json cannot be written, training continues: %s", error)

    def _write_history(self, progress: Progress) -> None:
        try:
            write_rows(self.folder.history, progress.rows)
        except OSError as error:
            message = f"The history could not be written: {error}. The row follows with the next epoch"
            self.events.add("history_failed", message, epoch=progress.epoch)

    def best_results(self, progress: Progress) -> None:
        try:
            write_best(self.folder.best_results, progress.rows, progress.best_epoch)
        except OSError as error:
            log.warning("best_results.csv cannot be written, training continues: %s", error)

    def interrupted(self, signal_name: str, progress: Progress) -> None:
        place = "here" if progress.is_sound else "the last save: there was no finite loss since"
        message = (
            f"Stopped by {signal_name} in epoch {progress.epoch} after {progress.step_in_epoch} steps; "
            f"the same command continues from {place}"
        )
        self.events.add("interrupted", message, epoch=progress.epoch, step=progress.step)
        self.status.update(state="interrupted", message=message, eta_s=None)

    def finished(self, progress: Progress) -> None:
        best = self.best(progress)
        message = f"Training completed! Best: {best}"
        self.events.add("finished", message, epoch=progress.epoch - 1, step=progress.step)
        self.is_finished(progress)

    def is_finished(self, progress: Progress) -> None:
        """Write the status of a finished run, also when it is started again."""
        self.status.update(
            state="finished",
            epoch=progress.epoch - 1,
            epochs=max(self.settings.epochs, progress.epoch - 1),  # --epochs may have become fewer
            stage=progress.stage,
            total_step=progress.step,
            select_by=self.settings.select_by,
            best_score=progress.best_score if progress.best_epoch else None,
            best_epoch=progress.best_epoch or None,
            eta_s=0.0,
            message=f"finished; best: {self.best(progress)}",
        )

    @contextmanager
    def locked_run(self, progress: Progress) -> Iterator[None]:
        """Lock out other trainers until the end of the block, and log what ends it."""
        curves = Curves(self.settings.track, self.folder.statistics, progress.epoch)
        with locked(self.folder), self.logged_failures(progress), closing(curves) as self.curves:
            yield

    @contextmanager
    def starting(self, progress: Progress) -> Iterator[None]:
        """A start that is refused changes nothing of the run that was there before."""
        with self.logged_failures(progress):
            try:
                yield
            except UserError:
                self.is_refused = self._put_back()
                raise

    def _put_back(self) -> bool:
        """Restore what the start has changed, and say whether there was a run before it."""
        if self.aside is not None:
            set_up_console()  # Windows replaces no open file
            self.folder.move_back(self.aside.name)
        elif self.last_status:
            with suppress(OSError), replacing(self.folder.status) as file:
                file.write(self.last_status)
        return self.aside is not None or bool(self.last_status)

    @contextmanager
    def logged_failures(self, progress: Progress) -> Iterator[None]:
        """Write an unexpected error to status and events before it propagates."""
        try:
            yield
        except Exception as error:
            if not self.is_refused:
                message = f"{type(error).__name__}: {error}"
                self.events.add("failed", message, epoch=progress.epoch, step=progress.step)
                self.status.update(state="failed", message=message, eta_s=None)
            raise

    def best(self, progress: Progress) -> str:
        if not progress.best_epoch:
            return f"none, {self.score_name} was undefined in every epoch"
        return f"{self.score_name} = {progress.best_score:.4f} in epoch {progress.best_epoch}"

    @property
    def score_name(self) -> str:
        return SCORE_NAMES[self.settings.select_by]


class NullRunLog(RunLog):
    """The run log of every process but rank 0: writes no file, and logs warnings only."""

    def __init__(self, folder: RunFolder, settings: Settings) -> None:
        super().__init__(folder, settings)
        self.status, self.events = (
            NullStatus(folder.status, settings.run, folder.checkpoints),
            NullEvents(folder.events),
        )

    def _put_back(self) -> bool:
        return False

    def _write_description(self, description: dict[str, Any]) -> None: ...

    def _write_history(self, progress: Progress) -> None: ...

    def best_results(self, progress: Progress) -> None: ...

    @contextmanager
    def locked_run(self, progress: Progress) -> Iterator[None]:
        with closing(Curves("", self.folder.statistics, progress.epoch)) as self.curves:
            yield
