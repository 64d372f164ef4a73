"""The training loop: one run from its first epoch to its last, resumed after any interruption."""

import gc
import logging
import math
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, CalledProcessError, run
from typing import Any

import torch
from tqdm.auto import tqdm

from xr2text_core.inference.evaluation import Evaluation
from xr2text_core.machine.garbage import frozen_objects
from xr2text_core.machine.keep_awake import keep_awake
from xr2text_core.machine.processes import Processes
from xr2text_core.machine.watch import MachineWatch
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.history import EpochRow, rows_up_to
from xr2text_core.settings.settings import Settings
from xr2text_core.supervisor.signals import StopAfterStep
from xr2text_core.training.checkpoints import Checkpoints
from xr2text_core.training.description import announce, describe_run, epoch_row
from xr2text_core.training.device import device_name, watch_machine
from xr2text_core.training.optimizer import decoder_learning_rate, learning_rate_factor, set_learning_rate
from xr2text_core.training.parts import build_parts
from xr2text_core.training.progress import Progress
from xr2text_core.training.run_log import open_run
from xr2text_core.training.start import Found, find_checkpoint, named_checkpoint
from xr2text_core.training.step import StepResult
from xr2text_core.training.validation import reading_columns, score_split, validate

EXIT_FINISHED = 0
PROTOCOL = "clean-full"
AFTER_THE_END = (
    "More --epochs train on; --init FILE --run NAME begins another run with its weights; "
    "--fresh moves it aside and starts a new one."
)
MOST_SKIPPED = 20  # steps in a row without a finite loss before the run ends
log = logging.getLogger("xr2text_core.train")


class Trainer:
    """A run: `Trainer(settings).fit()`. Resumes the run in its folders, unless `fresh` moves that aside first.

    Raises DatasetError, WeightsError, CheckpointError, RunError and OutOfMemory; each message says what to do.
    """

    def __init__(
        self, settings: Settings, resume: Path | None = None, fresh: bool = False, rewarm: bool = False
    ) -> None:
        self.rewarm = rewarm
        self.processes = Processes.join(use_gpu=settings.device != "cpu" and torch.cuda.is_available())
        self.folder = RunFolder.under(Path(settings.out), settings.run)
        with self.processes.rank_0_first():
            self.run_log = open_run(self.folder, settings, fresh, self.processes.is_rank_0)
        self.checkpoints = Checkpoints(self.folder, self.run_log, settings.autosave_min)
        self.progress = Progress()
        self.micro_batch = settings.micro_batch
        self.resumed_from: Path | None = None
        self.resumed_labeler: int | None = None  # version of the labels that it was trained with
        with keep_awake(is_silent=True), self.run_log.starting(self.progress):  # decoding may take an hour
            found = find_checkpoint(self.folder, settings, resume, self.run_log.events)
            self.settings = settings = found.keep_beginning(settings) if found else settings
            self.parts = build_parts(settings, self.processes, found, self.run_log.status)
            self.model, self.data, self.plan = self.parts.model, self.parts.data, self.parts.plan
            if found:
                self._begin_with(found)
            if self.is_finished():
                self.run_log.is_finished(self.progress)
                return
            self.parts = self.parts.with_cached_tokens(self.run_log.status)
            if self.processes.is_rank_0:
                self.checkpoints.writer.reserve(self.parts.checkpoint(self.progress))

    def fit(self) -> int:
        """Train to the end, or until asked to stop; return the exit code. The whole training loop."""
        if self.is_finished() and self.folder.final.exists():
            self.run_log.reconcile(self.progress)  # what the end of the run could not write
            if self.processes.is_rank_0 and not any(self.folder.figures.glob("*.png")):
                self._draw()
            log.info("This run is finished: %s. %s", self._best(), AFTER_THE_END)
            return EXIT_FINISHED
        progress, parts, checkpoints, run_log = self.progress, self.parts, self.checkpoints, self.run_log
        self._announce()
        with (
            run_log.locked_run(progress),
            StopAfterStep() as stop,
            keep_awake(),
            frozen_objects(),
            watch_machine(parts.accelerator.device) as watch,
        ):
            while not self.is_finished():
                self._enter_stage()
                self.model.train()
                steps = self.plan.steps(progress.epoch, progress.sums.num_studies)
                with self._bar(steps) as bar:
                    for studies in steps:
                        started = time.perf_counter()
                        self._set_rate(len(studies))
                        batch = parts.batches.training(self.processes.share(studies), progress.epoch)
                        result = parts.stepper.take_step(batch, self.micro_batch, progress.step)
                        self.micro_batch = result.micro_batch
                        progress.count(result, len(studies), time.perf_counter() - started)
                        self._show(bar, result, len(studies))
                        checkpoints.note(progress)
                        run_log.images_lost(parts.batches.take_lost(), progress)
                        self._check_machine(watch, stop)
                        if self._should_stop(stop):
                            return self._leave(stop)
                        if checkpoints.is_autosave_due():
                            self._save(self.folder.latest)
                evaluation = self._validate(stop)
                if evaluation is None:
                    return self._leave(stop)
                run_log.images_lost(parts.val_batches.take_lost(), progress)
                checkpoints.wait(progress)  # whether the last best model was saved decides what is better than it
                row = self._row(evaluation, watch)
                run_log.row(row, progress)  # the row first, then the weights: docs/run-files.md says why
                self._close_epoch(row)
            self._finish()
        return EXIT_FINISHED

    def is_finished(self) -> bool:
        progress, settings = self.progress, self.settings
        return progress.epoch > settings.epochs or progress.epochs_without_improvement >= settings.patience

    def load_checkpoint(self, path: str | Path) -> None:
        """Load weights, optimizer, position and best score from a checkpoint. `fit` then cuts newer rows."""
        self._restore(named_checkpoint(Path(path)))
        self.parts = self.parts.with_cached_tokens(self.run_log.status)

    def evaluate(self, split: str = "val", num_beams: int = 1) -> Evaluation:
        """Scores of the current weights on the validation studies, or on another split."""
        return score_split(self.parts, PROTOCOL, split, num_beams)

    # -- before the loop

    def _begin_with(self, found: Found) -> None:
        """Go on from a checkpoint, or begin with the weights of one."""
        with found.reading():
            if found.origin == "init":
                self.parts.begin_with(found.checkpoint)
            else:
                self._restore(found)
        if self.is_finished() and found.origin == "resume" and found.path.resolve().parent != self.folder.checkpoints:
            raise RunError(
                f"--resume {found.path} is the end of a run: all of its {self.settings.epochs} epochs are done. "
                "A larger --epochs continues it; --init FILE starts a new run with its weights"
            )

    def _restore(self, found: Found) -> None:
        self.parts.load(found.checkpoint)
        found.log_changes(self.settings)
        if self.rewarm and found.checkpoint.settings.get("epochs") == self.settings.epochs:
            log.info("--rewarm warms up for other --epochs than before; these are the same, so it does nothing.")
        self.progress, self.plan, self.micro_batch = found.position(self.settings, self.parts.plan, self.rewarm)
        if not self.progress.rows:  # checkpoints of version 0.1 keep none
            self.progress.rows = rows_up_to(self.folder.history, self.progress.epoch - 1)
        if not found.knows_best(self.folder.best, self.settings, self.progress, self.run_log.events):
            self.progress.forget_best()
        self.checkpoints.begin(self.progress)
        self.resumed_from, self.resumed_labeler = found.path, found.checkpoint.labeler

    def _announce(self) -> None:
        """Log the plan of the run, and write run.json."""
        announce(self.settings, self.parts, f"{self.micro_batch} x {self._accumulation()}", PROTOCOL)
        self.run_log.announce(describe_run(self.settings, self.parts, PROTOCOL), self.progress, self.resumed_from)
        self.run_log.labels(self.resumed_labeler, self.progress)
        self.run_log.reconcile(self.progress)
        self.checkpoints.begin(self.progress)

    # -- inside the loop

    def _enter_stage(self) -> None:
        self.run_log.stage(self.progress, self.plan, self._device_name())
        self.progress.stage = self.plan.stage(self.progress.epoch)

    def _set_rate(self, num_studies: int) -> None:
        """The learning rate of a step of so many studies, by how much of the run is done before and after it."""
        epoch, seen = self.progress.epoch, self.progress.sums.num_studies
        done, after = self.plan.share(epoch, seen), self.plan.share(epoch, seen + num_studies)
        set_learning_rate(self.parts.optimizer, learning_rate_factor(done, after))

    def _bar(self, steps: list[list[int]]) -> "tqdm[Any]":
        """A progress bar that counts micro-batches."""
        done = -(-self.progress.sums.num_studies // self.micro_batch)
        return tqdm(
            desc=f"Epoch {self.progress.epoch}/{self.settings.epochs}",
            total=done + sum(-(-len(step) // self.micro_batch) for step in steps),
            initial=done,
            unit="batch",
            disable=None if self.processes.is_rank_0 else True,
            leave=False,
        )

    def _show(self, bar: "tqdm[Any]", result: StepResult, num_studies: int) -> None:
        bar.update(-(-num_studies // self.micro_batch))
        bar.set_postfix(loss=f"{result.loss:.2f}", refresh=False)
        rate = decoder_learning_rate(self.parts.optimizer)
        self.run_log.step(result, self.progress, self._accumulation(), rate, self._eta_s())
        if self.progress.skipped_in_a_row >= MOST_SKIPPED:
            raise self._without_finite_loss()

    def _without_finite_loss(self) -> RunError:
        where = self.checkpoints.last_sound(self.progress)
        return RunError(
            f"{self.progress.skipped_in_a_row} steps in a row had no finite loss; {where}. "
            "Try --precision bf16 or fp32, or lower learning rates"
        )

    def _validate(self, stop: StopAfterStep) -> Evaluation | None:
        """Loss and scores on the validation studies; None when asked to stop."""
        status, started = self.run_log.status, time.perf_counter()
        status.update(state="validating", message=f"validating epoch {self.progress.epoch}")

        def stopped() -> bool:
            status.update()  # a heartbeat between two batches
            return bool(stop)

        evaluation = validate(self.parts, PROTOCOL, self.processes.is_rank_0, stopped)
        self.progress.validation_s = time.perf_counter() - started
        if evaluation is not None:
            self.progress.judge(evaluation.loss, uses_scaler=self.parts.accelerator.scaler is not None)
        return evaluation

    def _check_machine(self, watch: MachineWatch, stop: StopAfterStep) -> None:
        """Log changes of heat, power and clock. Too hot: save, and wait until it is cool."""
        for news in watch.take_news():
            self.run_log.events.add(news.kind, news.message, **news.fields)
        pause_temp = self.settings.pause_temp
        if not watch.must_cool(pause_temp):
            return
        self._save(self.folder.latest)
        self.run_log.paused(self.progress, watch.temperature_c, watch.limit_c(pause_temp))
        started = time.monotonic()
        while not watch.is_cool(pause_temp) and not stop:
            time.sleep(min(1.0, watch.interval_s))
            self.run_log.cooling(watch.temperature_c)
        self.progress.sums.paused_s += time.monotonic() - started
        self.run_log.cooled(self.progress, watch.temperature_c)

    def _row(self, evaluation: Evaluation, watch: MachineWatch) -> EpochRow:
        """The history row of the epoch; decides whether it is the best so far."""
        progress, scores = self.progress, evaluation.scores
        progress.best = before = self.processes.gather(progress.best)[0]
        score = scores.clinical_f1 if self.settings.select_by == "clinical_f1" else scores.bleu_4 + scores.rouge_l
        read = reading_columns(evaluation, self.data.val)
        auc = read["finding_auc"], read["finding_auc_se"]
        score = score if progress.is_sound else math.nan
        is_best = progress.count_score(score, *auc)
        self.run_log.choice(before, score, is_best, progress)
        on_gpu = self.parts.accelerator.device.type == "cuda"
        return epoch_row(
            progress,
            scores,
            evaluation.loss,
            learning_rate=decoder_learning_rate(self.parts.optimizer),
            micro_batch=self.micro_batch,
            accumulation=self._accumulation(),
            gpu_peak_mib=torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None,
            gpu_max_c=watch.take_hottest_c(),
            **read,
            is_best=int(is_best),
        )

    def _close_epoch(self, row: EpochRow) -> None:
        """Log the epoch, save its checkpoints, and advance to the next."""
        self.run_log.epoch(row, len(self.data.val))
        self.progress.end_epoch()
        paths = [self.folder.best] if row.is_best else []
        if row.epoch % self.settings.checkpoint_every == 0:
            paths.append(self.folder.periodic(row.epoch))
        self.run_log.status.update(state="saving", message=f"saving epoch {row.epoch}")
        self._save(*paths, self.folder.latest)
        gc.collect()
        if self.parts.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _save(self, *paths: Path) -> None:
        """While steps are skipped nothing is saved: the weights may be what makes the loss infinite."""
        if not self.progress.is_sound:
            self.checkpoints.postpone()
        elif self.processes.is_rank_0:
            self.checkpoints.save(self.parts.checkpoint(self.progress), self.progress, *paths)

    # -- after the loop

    def _leave(self, stop: StopAfterStep) -> int:
        """Asked to stop: save the position, log how to continue."""
        self._should_stop(stop)  # names the signal on the ranks that did not get it
        self.run_log.status.update(state="stopping", message=f"{stop.name}: saving and leaving")
        self._save(self.folder.latest)
        self.checkpoints.wait(self.progress)
        self.run_log.interrupted(stop.name, self.progress)
        return stop.exit_code

    def _finish(self) -> None:
        if not self.processes.is_rank_0:
            return
        if not self.progress.is_sound:
            raise self._without_finite_loss()
        self._draw()
        self._save(self.folder.final)
        if self.folder.final not in self.checkpoints.wait(self.progress):
            raise RunError(f"{self.folder.final} could not be written; make room and start the same command again")
        self.run_log.finished(self.progress)

    def _draw(self) -> None:
        """In a process of its own: matplotlib would stay in the memory of this one. The run is complete without."""
        history, folder = str(self.folder.history), str(self.folder.figures)
        command = [sys.executable, "-m", "xr2text_core.figures", "--history", history, "--out", folder]
        try:
            run(command, check=True, stdout=DEVNULL, stderr=PIPE)
        except (OSError, CalledProcessError) as error:
            why = (getattr(error, "stderr", b"").decode(errors="replace").splitlines() or [str(error)])[-1]
            log.warning("The figures could not be drawn (%s); python -m xr2text_core.figures draws them later.", why)

    # -- small answers

    def _accumulation(self) -> int:
        """Micro-batches per step of each process: the effective batch stays."""
        return -(-self.settings.effective_batch // (self.micro_batch * self.processes.count))

    def _eta_s(self) -> float:
        """Seconds to the end: the studies still to train on, and the validations still to come."""
        progress = self.progress
        left = (
            self.plan.num_studies(progress.epoch) - progress.sums.num_studies + self.plan.studies_after(progress.epoch)
        )
        validations = self.settings.epochs - progress.epoch + 1
        return left * progress.sums.train_s / progress.sums.num_studies + validations * self.progress.validation_s

    def _should_stop(self, stop: StopAfterStep) -> bool:
        """A stop request on any rank stops all of them after the same step."""
        agreed = self.processes.most(stop.number)
        if agreed:  # a signal that arrived during the exchange counts after the next step
            stop.number = agreed
        return agreed > 0

    def _device_name(self) -> str:
        return device_name(self.parts.accelerator.device)

    def _best(self) -> str:
        return self.run_log.best(self.progress)
