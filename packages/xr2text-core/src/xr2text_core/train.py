"""Trains a report writer, resumes it after any interruption, and scores it every epoch.

    python -m xr2text_core.train                                     the built-in phantoms, on a CPU, in minutes
    python -m xr2text_core.train --data iu-xray --root DIR           real radiographs, on an 8 GB GPU, over a night

The same command again continues where the last one stopped.
"""

import os

from xr2text_core.training.arguments import parse_arguments, settings_of

if __name__ == "__main__":
    OPTIONS = parse_arguments()  # before the heavy imports, so that --help and a mistyped flag are answered at once
    # Threads of OpenMP that wait for each other in a busy loop are ten times slower beside another busy program.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import argparse
import gc
import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm import tqdm

from xr2text_core import __version__
from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.study import DatasetError
from xr2text_core.evaluate import Evaluation, evaluate
from xr2text_core.figures import draw_figures
from xr2text_core.machine.keep_awake import keep_awake
from xr2text_core.metrics.protocols import describe
from xr2text_core.model.build import WeightsError, build_model
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.atomic import replace_text
from xr2text_core.run.checkpoint import CheckpointError, load_checkpoint, newest_good, save_checkpoint
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.history import EpochRow, append_row, cut_after, write_best
from xr2text_core.run.status import Events, Status, now, running_trainer
from xr2text_core.training.console import set_up_console
from xr2text_core.training.curriculum import stage_of
from xr2text_core.training.optimizer import build_optimizer, decoder_rate, rate_factor, set_rate
from xr2text_core.training.plan import Plan
from xr2text_core.training.prepared import prepare_data
from xr2text_core.training.progress import Progress
from xr2text_core.training.record import describe_run, epoch_row, split_sizes
from xr2text_core.training.settings import DEFINE_THE_MODEL, DEFINE_THE_RUN, Settings, differences
from xr2text_core.training.step import OutOfMemory, Stepper, StepResult
from xr2text_core.training.stop import StopRequest
from xr2text_core.training.trained import TrainedModel, model_from, settings_from

EXIT_FINISHED, EXIT_FAILED, EXIT_UNUSABLE = 0, 1, 2  # after a signal: 128 + its number, as shells report it
PROTOCOL = "clean-full"
NO_SCORE = -1.0
MOST_SKIPPED = 20  # steps in a row without a finite loss before the run ends
log = logging.getLogger("xr2text_core.train")


class Trainer:
    """A run: `Trainer(settings).fit()`. Resumes what lies in its folders, unless `fresh` moves that aside first."""

    def __init__(self, settings: Settings, resume: Path | None = None, fresh: bool = False) -> None:
        self.settings = settings
        self.folder = RunFolder.under(Path(settings.out), settings.run)
        if other := running_trainer(self.folder.status):
            raise RunError(
                f"process {other} is training in {self.folder.checkpoints} right now; wait for it, stop it with "
                f"`kill {other}` (it saves first), or give this run a name of its own with --run NAME"
            )
        aside = self.folder.move_aside() if fresh else None
        self.folder.create()
        set_up_console(self.folder.log)
        self.status = Status(self.folder.status, settings.run, self.folder.checkpoints)
        self.events = Events(self.folder.events)
        if aside:
            log.info("The files of the last run were moved to %s and its neighbour below data/statistics.", aside)
        self.progress = Progress()
        self.micro_batch = settings.micro_batch
        self.resumed_from: Path | None = None
        self.saved_best = (NO_SCORE, 0)
        self.saved_at = time.monotonic()
        self.unwritten: list[EpochRow] = []
        found = self._find_checkpoint(resume)
        with self._failures_on_record():
            self._build(found, resume is not None)

    def fit(self) -> int:
        """Train to the end, or until asked to stop; return the exit code. The loop of this project, whole."""
        if self.is_finished() and self.folder.final.exists():
            log.info("This run is finished: %s. --fresh moves it aside and starts a new one.", self._best())
            return EXIT_FINISHED
        cut_after(self.folder.history, self.progress.epoch - 1)
        self._announce()
        progress = self.progress
        with StopRequest() as stop, keep_awake(), self._failures_on_record():
            while not self.is_finished():
                self._enter_stage()
                self.model.train()
                steps = self.plan.steps(progress.epoch)
                with self._bar(steps) as bar:
                    for studies in steps[progress.step_in_epoch :]:
                        started = time.perf_counter()
                        set_rate(self.optimizer, rate_factor(progress.step, self.plan.total_steps))
                        batch = self.batches.training(studies, progress.epoch)
                        result = self.stepper.take_step(batch, self.micro_batch, progress.step)
                        self._count(result, len(studies), time.perf_counter() - started)
                        self._show(bar, result, len(studies))
                        if stop:
                            return self._leave(stop)
                        if self._is_autosave_due():
                            self._save(self.folder.latest)
                evaluation = self._validate(stop)
                if evaluation is None:
                    return self._leave(stop)
                row = self._row(evaluation)
                self._record(row)  # the row first, then the weights: docs/run-files.md says why
                self._close_epoch(row)
            self._finish()
        return EXIT_FINISHED

    def is_finished(self) -> bool:
        progress, settings = self.progress, self.settings
        return progress.epoch > settings.epochs or progress.epochs_without_improvement >= settings.patience

    def load_checkpoint(self, path: str | Path) -> None:
        """Take weights, optimizer, position and best score from a checkpoint. `fit` then cuts newer rows."""
        self._restore(Path(path), load_checkpoint(Path(path)))

    def evaluate(self, split: str = "val", num_beams: int = 1) -> Evaluation:
        """Scores of the present weights on the validation studies, or on another split."""
        batches = self.val_batches
        if split != "val":
            trained = TrainedModel(self.model, self.data.tokenizer, self.settings, self.accelerator.device)
            batches = trained.batches(self.data.dataset.split(split))
        evaluation = evaluate(self.model, self.data.tokenizer, batches, self.settings.max_tokens, PROTOCOL, num_beams)
        assert evaluation is not None  # nobody asked it to stop
        return evaluation

    # -- before the loop

    def _build(self, found: tuple[Path, dict[str, Any]] | None, resume: bool) -> None:
        """Read the data, build the model and its optimizer, and restore the checkpoint that was found, if one was."""
        self.status.update(state="caching", message="reading the data set and decoding its images once")
        tokenizer = ReportTokenizer.from_json(found[1]["tokenizer"]) if found else None
        settings, self.data = self.settings, prepare_data(self.settings, tokenizer)
        train = self.data.train
        if found and not resume and found[1]["fingerprint"] != self.data.fingerprint:
            raise RunError(
                f"{found[0]} was trained on other studies than {settings.data} {settings.root} holds now; "
                "--run NAME begins another run beside it, --fresh moves it aside, --resume FILE goes on all the same"
            )
        self.plan = Plan(settings, train.study_ids, [stage_of(labels) for labels in train.labels])
        self.status.update(state="starting", message="building the model")
        self.accelerator = Accelerator(mixed_precision=self._precision(), cpu=settings.device == "cpu")
        torch.manual_seed(settings.seed)
        if found:
            model = model_from(found[1])
        else:
            pretrained = settings.pretrained == "yes"
            sizes = (settings.image_size, settings.max_tokens)
            model = build_model(settings.encoder, settings.decoder, pretrained, *sizes, self.data.tokenizer)
        optimizer = build_optimizer(model, settings, self.accelerator.device)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        device = self.accelerator.device
        self.batches = BatchMaker(train, self.data.cache, device, settings.seed)
        self.val_batches = BatchMaker(self.data.val, self.data.cache, device, settings.seed)
        self.stepper = Stepper(self.accelerator, self.model, self.optimizer, settings.finding_weight, settings.seed)
        if found:
            self._restore(*found)
        if self.is_finished():
            self.status.update(
                state="finished",
                epoch=self.progress.epoch - 1,
                epochs=settings.epochs,
                stage=self.progress.stage,
                select_by=settings.select_by,
                best_score=self.progress.best_score,
                best_epoch=self.progress.best_epoch,
                eta_s=0.0,
                message=f"finished; best: {self._best()}",
            )

    def _find_checkpoint(self, resume: Path | None) -> tuple[Path, dict[str, Any]] | None:
        """The checkpoint to continue from; refuses one that belongs to another model or another run."""
        damaged: list[str] = []
        if resume:
            path, contents = resume, load_checkpoint(resume)
        else:
            others = [path for path in self.folder.checkpoints.glob("*.pt") if path != self.folder.latest]
            newest = newest_good(self.folder.latest, others)
            if newest is None:
                return None
            path, contents, damaged = newest
        for reason in damaged:
            self.events.add("checkpoint_damaged", f"Left aside: {reason}", reason=reason)
        differ = differences(contents["settings"], self.settings)
        must_match = DEFINE_THE_MODEL if resume else DEFINE_THE_RUN
        if wrong := [f"{name}: {differ[name]}" for name in must_match if name in differ]:
            raise RunError(
                f"{path} belongs to a run with other settings ({'; '.join(wrong)}). Give the same flags to resume it, "
                "--run NAME to begin another run beside it, or --fresh to move it aside"
            )
        for name, change in differ.items():
            log.info("Resuming with another setting than before: %s: %s", name, change)
        return path, contents

    def _restore(self, path: Path, contents: dict[str, Any]) -> None:
        self.model.load_state_dict(contents["model"])
        asked = [{key: group[key] for key in ("peak", "weight_decay")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(contents["optimizer"])
        for group, values in zip(self.optimizer.param_groups, asked, strict=True):
            group.update(values)  # what the command asks for now, where it differs
        if self.accelerator.scaler is not None and contents["scaler"]:
            self.accelerator.scaler.load_state_dict(contents["scaler"])
        self.progress = Progress.from_dict(contents["progress"])
        if settings_from(contents).effective_batch != self.settings.effective_batch:  # count the epoch in new steps
            self.progress.step_in_epoch = self.progress.sums.num_studies // self.settings.effective_batch
        self.micro_batch = min(self.settings.micro_batch, self.progress.micro_batch or self.settings.micro_batch)
        if not self.folder.best.exists():
            self.progress.best_score, self.progress.best_epoch = NO_SCORE, 0  # the next epoch is the best there is
        self.saved_best = (self.progress.best_score, self.progress.best_epoch)
        self.resumed_from = path

    def _precision(self) -> str:
        if self.settings.device != "cpu" and torch.cuda.is_available():
            return "no" if self.settings.precision == "fp32" else self.settings.precision
        if self.settings.precision != "fp32":
            log.info("No CUDA device is used: arithmetic is fp32 instead of %s.", self.settings.precision)
        return "no"

    def _announce(self) -> None:
        """Say what is about to happen, and write run.json."""
        settings, progress, data = self.settings, self.progress, self.data
        if settings.data == "phantom":
            log.info("Training on the built-in phantom set (drawn chests); --data and --root train on real images.")
        classes = self.plan.class_sizes()
        log.info("Studies: %s | training classes: %s", _counts(split_sizes(data)), _counts(classes))
        for stage in [stage for stage, count in classes.items() if settings.curriculum and not count]:
            log.warning("No training study is of the class %s: that stage brings nothing new.", stage)
        num_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        log.info(
            "Model: %.1f M parameters on %s | %d x %d studies per update | %d updates | scores: %s",
            num_parameters / 1e6, self._device_name(), self.micro_batch, settings.accumulation,
            self.plan.total_steps, describe(PROTOCOL),
        )  # fmt: skip
        where = {"epoch": progress.epoch, "step": progress.step}
        if self.resumed_from is None:
            self.events.add("started", f"Training {settings.epochs} epochs", **where)
        else:
            done = f"epoch {progress.epoch}, step {progress.step_in_epoch + 1}"
            name = self.resumed_from.name
            self.events.add("resumed", f"Resuming from {name} at {done}", checkpoint=name, **where)
        contents = describe_run(settings, data, self.plan, PROTOCOL, self._device_name(), num_parameters)
        replace_text(self.folder.run_json, json.dumps(contents, indent=1) + "\n")
        self.saved_at = time.monotonic()

    # -- inside the loop

    def _enter_stage(self) -> None:
        progress, stage = self.progress, self.plan.stage(self.progress.epoch)
        if progress.stage and stage != progress.stage:
            self.events.add(
                "stage_changed", f"Curriculum stage changed: {progress.stage} -> {stage}",
                epoch=progress.epoch, **{"from": progress.stage, "to": stage},
            )  # fmt: skip
        progress.stage = stage
        self.status.update(
            state="training",
            epoch=progress.epoch,
            epochs=self.settings.epochs,
            stage=stage,
            step=progress.step_in_epoch,
            steps_in_epoch=self.plan.num_steps(progress.epoch),
            device=self._device_name(),
            select_by=self.settings.select_by,
            best_score=progress.best_score if progress.best_epoch else None,
            best_epoch=progress.best_epoch or None,
            message=f"training epoch {progress.epoch} of {self.settings.epochs}",
        )

    def _bar(self, steps: list[list[int]]) -> "tqdm[Any]":
        """A bar that counts batches, as they pass the model."""
        sizes = [-(-len(step) // self.micro_batch) for step in steps]
        return tqdm(
            desc=f"Epoch {self.progress.epoch}/{self.settings.epochs}",
            total=sum(sizes),
            initial=sum(sizes[: self.progress.step_in_epoch]),
            unit="batch",
            disable=None,
            leave=False,
        )

    def _count(self, result: StepResult, num_studies: int, seconds: float) -> None:
        """Add a step to the sums of the epoch; out of memory and losses that are not finite are put on record."""
        progress, sums = self.progress, self.progress.sums
        progress.step += 1
        progress.step_in_epoch += 1
        progress.micro_batch = result.micro_batch
        sums.num_studies += num_studies
        sums.train_s += seconds
        where = {"epoch": progress.epoch, "step": progress.step}
        if result.oom_retries:
            sums.oom_retries += result.oom_retries
            self.micro_batch = result.micro_batch
            self.events.add(
                "out_of_memory",
                f"Out of memory: {self.micro_batch} studies at once from now on; the step was repeated",
                **where, micro_batch=self.micro_batch, accumulation=self._accumulation(),
            )  # fmt: skip
        if result.was_skipped:
            sums.skipped_steps += 1
            progress.skipped_in_a_row += 1
            self.events.add("skipped_step", "A step was skipped: loss or gradients are not finite", **where)
            if progress.skipped_in_a_row >= MOST_SKIPPED:
                raise RunError(
                    f"{MOST_SKIPPED} steps in a row had no finite loss; the checkpoints are from before. "
                    "Try --precision bf16 or fp32, or lower learning rates"
                )
        else:
            progress.skipped_in_a_row = 0
            sums.num_updates += 1
            sums.token_loss += result.token_loss
            sums.num_tokens += result.num_tokens
            sums.grad_norm += result.grad_norm

    def _show(self, bar: "tqdm[Any]", result: StepResult, num_studies: int) -> None:
        loss = result.token_loss / result.num_tokens
        bar.update(-(-num_studies // self.micro_batch))
        bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
        self.status.recent_losses.append(loss)
        sums = self.progress.sums
        self.status.update(
            step=self.progress.step_in_epoch,
            loss=loss,
            learning_rate=decoder_rate(self.optimizer),
            studies_per_s=sums.num_studies / sums.train_s,
            eta_s=self._eta_s(),
            micro_batch=self.micro_batch,
            accumulation=self._accumulation(),
        )

    def _validate(self, stop: StopRequest) -> Evaluation | None:
        """Loss and scores on the validation studies; None when asked to stop meanwhile."""
        self.status.update(state="validating", message=f"validating epoch {self.progress.epoch}")
        started = time.perf_counter()
        with self.accelerator.autocast():
            evaluation = evaluate(
                self.model, self.data.tokenizer, self.val_batches, self.settings.max_tokens, PROTOCOL,
                progress=True, stop=lambda: bool(stop),
            )  # fmt: skip
        self.progress.validation_s = time.perf_counter() - started
        return evaluation

    def _row(self, evaluation: Evaluation) -> EpochRow:
        """The history row of the epoch; decides whether it is the best so far."""
        progress, scores = self.progress, evaluation.scores
        score = scores.clinical_f1 if self.settings.select_by == "clinical_f1" else scores.bleu_4 + scores.rouge_l
        is_best = score > progress.best_score
        if is_best:
            progress.best_score, progress.best_epoch, progress.epochs_without_improvement = score, progress.epoch, 0
        else:
            progress.epochs_without_improvement += 1
        on_gpu = self.accelerator.device.type == "cuda"
        return epoch_row(
            progress,
            scores,
            evaluation.loss,
            learning_rate=decoder_rate(self.optimizer),
            micro_batch=self.micro_batch,
            accumulation=self._accumulation(),
            gpu_peak_mib=torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None,
            is_best=is_best,
        )

    def _record(self, row: EpochRow) -> None:
        """Append the row; one that cannot be written (disk full, file held by a spreadsheet) follows with the next."""
        self.unwritten.append(row)
        try:
            while self.unwritten:
                append_row(self.folder.history, self.unwritten[0])
                self.unwritten.pop(0)
        except OSError as error:
            message = f"The history could not be written: {error}. The row follows with the next epoch"
            self.events.add("history_failed", message, epoch=row.epoch)

    def _close_epoch(self, row: EpochRow) -> None:
        """Say how the epoch went, save what it brought, and move on to the next."""
        settings, epoch = self.settings, row.epoch
        log.info(
            "Epoch %d/%d | Train: %.4f | Val: %.4f | BLEU-4: %.4f | ROUGE-L: %.4f | rule-label F1: %.3f | "
            "distinct: %d/%d",
            epoch, settings.epochs, row.train_loss or float("nan"), row.val_loss, row.bleu_4, row.rouge_l,
            row.clinical_f1, row.distinct_reports, len(self.data.val),
        )  # fmt: skip
        is_collapsed = row.distinct_reports == 1 and len(self.data.val) > 1
        if is_collapsed:
            self.events.add("collapsed", "Every study got the same report", epoch=epoch, distinct_reports=1)
        self.progress.end_epoch()
        self.status.update(
            state="saving",
            message=f"saving epoch {epoch}",
            best_score=self.progress.best_score,
            best_epoch=self.progress.best_epoch,
        )
        if row.is_best and self._save(self.folder.best, quiet=True):
            write_best(self.folder.best_results, row)
            saved = "saved, although every study got the same report" if is_collapsed else "saved"
            message = f"New best model! {self._best_name()} = {self.progress.best_score:.4f} ({saved})"
            self.events.add("new_best", message, epoch=epoch, score=self.progress.best_score)
        if epoch % settings.checkpoint_every == 0:
            self._save(self.folder.periodic(epoch))
        self._save(self.folder.latest, quiet=True)
        gc.collect()
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _save(self, path: Path, quiet: bool = False) -> bool:
        """Write all that a resume needs; say whether that went well.

        A full disk leaves the old file and the run goes on; a best model that was not written does not count as one.
        """
        where = {"epoch": self.progress.epoch, "step": self.progress.step}
        self.saved_at = time.monotonic()
        try:
            save_checkpoint(path, self._contents())
        except OSError as error:
            message = f"{path.name} could not be written: {error}. What was there before is intact"
            self.events.add("checkpoint_failed", message, checkpoint=path.name, reason=str(error), **where)
            if path == self.folder.best:
                self.progress.best_score, self.progress.best_epoch = self.saved_best
            return False
        if path == self.folder.best:
            self.saved_best = (self.progress.best_score, self.progress.best_epoch)
        self.status.update(last_checkpoint=path.name, last_checkpoint_at=now())
        if not quiet:
            message = f"{'Final checkpoint' if path == self.folder.final else 'Checkpoint'} saved: {path.name}"
            self.events.add("checkpoint_saved", message, checkpoint=path.name, **where)
        return True

    def _contents(self) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "version": __version__,
            "saved_at": now(),
            "settings": asdict(self.settings),
            "fingerprint": self.data.fingerprint,
            "config": json.dumps(self.model.config.to_dict()),
            "tokenizer": self.data.tokenizer.to_json(),
            "progress": self.progress.to_dict(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    # -- after the loop

    def _leave(self, stop: StopRequest) -> int:
        """Asked to stop: save the position, say how to go on."""
        progress = self.progress
        self.status.update(state="stopping", message=f"{stop.name}: saving and leaving")
        self._save(self.folder.latest, quiet=True)
        message = (
            f"Stopped by {stop.name} in epoch {progress.epoch} after {progress.step_in_epoch} steps; "
            "the same command continues from here"
        )
        self.events.add("interrupted", message, epoch=progress.epoch, step=progress.step)
        self.status.update(state="interrupted", message=message, eta_s=None)
        return stop.exit_code

    def _finish(self) -> None:
        progress = self.progress
        if not self._save(self.folder.final):
            raise RunError(f"{self.folder.final} could not be written; make room and start the same command again")
        draw_figures(self.folder.history, self.folder.figures)
        self.events.add("finished", f"Training completed! Best: {self._best()}",
                        epoch=progress.epoch - 1, step=progress.step)  # fmt: skip
        self.status.update(state="finished", eta_s=0.0, message=f"finished; best: {self._best()}")

    @contextmanager
    def _failures_on_record(self) -> Iterator[None]:
        """Whatever ends the loop unexpectedly stands in the status and the events before it goes on its way."""
        try:
            yield
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            self.events.add("failed", message, epoch=self.progress.epoch, step=self.progress.step)
            self.status.update(state="failed", message=message, eta_s=None)
            raise

    # -- small answers

    def _accumulation(self) -> int:
        return -(-self.settings.effective_batch // self.micro_batch)

    def _eta_s(self) -> float:
        """Seconds to the end: the studies still to train on, and the validations still to come."""
        progress = self.progress
        left = (
            self.plan.num_studies(progress.epoch) - progress.sums.num_studies + self.plan.studies_after(progress.epoch)
        )
        validations = self.settings.epochs - progress.epoch + 1
        return left * progress.sums.train_s / progress.sums.num_studies + validations * self.progress.validation_s

    def _is_autosave_due(self) -> bool:
        return time.monotonic() - self.saved_at >= 60 * self.settings.autosave_min

    def _device_name(self) -> str:
        return torch.cuda.get_device_name() if self.accelerator.device.type == "cuda" else "cpu"

    def _best_name(self) -> str:
        return {"bleu_4+rouge_l": "BLEU-4 + ROUGE-L", "clinical_f1": "rule-label F1"}[self.settings.select_by]

    def _best(self) -> str:
        return f"{self._best_name()} = {self.progress.best_score:.4f} in epoch {self.progress.best_epoch}"


def _counts(sizes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sizes.items())


def main(options: argparse.Namespace) -> int:
    set_up_console()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        log.error(
            "Training with several processes is not supported yet; start it without torchrun or accelerate launch."
        )
        return EXIT_UNUSABLE
    try:
        return Trainer(settings_of(options), resume=options.resume, fresh=options.fresh).fit()
    except (DatasetError, WeightsError, CheckpointError, RunError, OutOfMemory) as error:
        log.error("%s", error)
        return EXIT_FAILED if isinstance(error, OutOfMemory) else EXIT_UNUSABLE
    except KeyboardInterrupt:
        log.info("Stopped before the training began; the same command starts it again.")
        return 130


if __name__ == "__main__":
    sys.exit(main(OPTIONS))
