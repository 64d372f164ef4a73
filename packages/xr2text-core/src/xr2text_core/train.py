"""Trains a report writer, resumes it after any interruption, and scores it every epoch.

    python -m xr2text_core.train                                     the built-in phantoms, on a CPU, in minutes
    python -m xr2text_core.train --data iu-xray --root DIR           real radiographs, on an 8 GB GPU, over a night

The same command again continues where the last one stopped.
"""

import faulthandler
import gc
import os
import sys

from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.supervisor.supervised import train_supervised

if __name__ == "__main__":
    OPTIONS = parse_arguments()  # before the heavy imports, so that --help and a mistyped flag are answered at once
    if OPTIONS.supervise:  # nor does the parent of the trainer need them
        sys.exit(train_supervised(sys.argv[1:], settings_of(OPTIONS)))
    # Threads of OpenMP that wait for each other in a busy loop are ten times slower beside another busy program.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    gc.disable()  # until the training begins: imports and data make many objects and no garbage
    faulthandler.enable()  # a crash in native code shows where
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic

import argparse
import json
import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from xr2text_core import __version__
from xr2text_core.checks.run import continues
from xr2text_core.checks.speed import precision_in_use
from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.study import DatasetError
from xr2text_core.evaluate import Evaluation, evaluate
from xr2text_core.figures import draw_figures
from xr2text_core.inference.trained import TrainedModel, model_from, reading, settings_from
from xr2text_core.machine.keep_awake import keep_awake
from xr2text_core.machine.nvml import GpuReader
from xr2text_core.machine.watch import MachineWatch
from xr2text_core.metrics.protocols import describe
from xr2text_core.model.build import WeightsError, build_model
from xr2text_core.preflight import quick_checks
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import CheckpointError, load_checkpoint
from xr2text_core.run.console import set_up_console
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.history import EpochRow, rows_up_to
from xr2text_core.run.status import now
from xr2text_core.settings.fingerprint import SAME_RUN, share_in_common
from xr2text_core.settings.settings import Settings
from xr2text_core.supervisor.stop import StopRequest
from xr2text_core.training.curriculum import stage_of
from xr2text_core.training.memory import limit_gpu_memory, settled_objects
from xr2text_core.training.optimizer import build_optimizer, decoder_rate, make_state, rate_factor, set_rate
from xr2text_core.training.plan import Plan
from xr2text_core.training.prepared import prepare_data
from xr2text_core.training.processes import Processes
from xr2text_core.training.progress import Progress
from xr2text_core.training.record import describe_run, epoch_row, split_sizes
from xr2text_core.training.recorder import open_run
from xr2text_core.training.resume import find_checkpoint, is_whole
from xr2text_core.training.step import ADVICE, OutOfMemory, Stepper, StepResult, is_out_of_memory
from xr2text_core.training.writer import CheckpointWriter, Written

EXIT_FINISHED, EXIT_UNUSABLE = 0, 2  # 1: a crash; after a signal 128 + its number, as shells report it
PROTOCOL = "clean-full"
NO_SCORE = -1.0
MOST_SKIPPED = 20  # steps in a row without a finite loss before the run ends
log = logging.getLogger("xr2text_core.train")


class Trainer:
    """A run: `Trainer(settings).fit()`. Resumes what lies in its folders, unless `fresh` moves that aside first."""

    def __init__(self, settings: Settings, resume: Path | None = None, fresh: bool = False) -> None:
        self.settings = settings
        self.processes = Processes.join(use_gpu=settings.device != "cpu" and torch.cuda.is_available())
        self.folder = RunFolder.under(Path(settings.out), settings.run)
        with self.processes.first_goes_first():
            self.recorder = open_run(self.folder, settings, fresh, self.processes.is_first)
        self.progress = Progress()
        self.micro_batch = settings.micro_batch
        self.resumed_from: Path | None = None
        self.writer = CheckpointWriter()
        self.saved_best = (NO_SCORE, 0)
        self.saved_at = time.monotonic()
        found = find_checkpoint(self.folder, settings, resume, self.recorder.events)
        with keep_awake(says_so=False), self.recorder.failures(self.progress):  # decoding may take an hour
            self._build(found, resume is not None)

    def fit(self) -> int:
        """Train to the end, or until asked to stop; return the exit code. The loop of this project, whole."""
        if self.is_finished() and self.folder.final.exists():
            self.recorder.agree(self.progress)  # what could not be written at the end
            if self.processes.is_first and not any(self.folder.figures.glob("*.png")):
                self._draw()
            log.info("This run is finished: %s. --fresh moves it aside and starts a new one.", self._best())
            return EXIT_FINISHED
        progress, recorder = self.progress, self.recorder
        self._announce()
        with (
            recorder.holding_run(progress),
            StopRequest() as stop,
            keep_awake(),
            settled_objects(),
            self._watch_machine() as watch,
        ):
            while not self.is_finished():
                self._enter_stage()
                self.model.train()
                steps = self.plan.steps(progress.epoch)
                with self._bar(steps) as bar:
                    for studies in steps[progress.step_in_epoch :]:
                        started = time.perf_counter()
                        set_rate(self.optimizer, rate_factor(progress.step, self.plan.total_steps))
                        batch = self.batches.training(self.processes.share(studies), progress.epoch)
                        result = self.stepper.take_step(batch, self.micro_batch, progress.step)
                        self._count(result, len(studies), time.perf_counter() - started)
                        self._show(bar, result, len(studies))
                        self._note(self.writer.written())
                        recorder.lost(self.batches.take_lost(), progress)
                        self._heed_machine(watch, stop)
                        if self._is_asked_to_stop(stop):
                            return self._leave(stop)
                        if self._is_autosave_due():
                            self._save(self.folder.latest)
                evaluation = self._validate(stop)
                if evaluation is None:
                    return self._leave(stop)
                recorder.lost(self.val_batches.take_lost(), progress)
                self._note(self.writer.wait())  # whether the last best model was saved decides what is better than it
                row = self._row(evaluation, watch)
                recorder.row(row, progress)  # the row first, then the weights: docs/run-files.md says why
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
        status = self.recorder.status
        status.update(state="caching", message="reading the data set and decoding its images once")
        tokenizer = None
        if found:
            with reading(found[0]):
                tokenizer = ReportTokenizer.from_json(found[1]["tokenizer"])
        settings = self.settings
        with self.processes.first_goes_first():
            self.data = prepare_data(settings, tokenizer, is_alive=status.update)
        train = self.data.train
        if found and not resume and share_in_common(found[1]["fingerprint"], self.data.fingerprint) < SAME_RUN:
            raise RunError(
                f"{found[0]} was trained on other studies than {settings.data} {settings.root} holds now; "
                "--run NAME begins another run beside it, --fresh moves it aside, --resume FILE goes on all the same"
            )
        self.plan = Plan(settings, train.study_ids, [stage_of(labels) for labels in train.labels])
        status.update(state="starting", message="building the model")
        self.accelerator = Accelerator(mixed_precision=precision_in_use(settings), cpu=settings.device == "cpu")
        if self.accelerator.device.type == "cuda":
            limit_gpu_memory(self.accelerator.device)
            torch.use_deterministic_algorithms(True, warn_only=True)  # else a resumed run differs in the last bits
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.manual_seed(settings.seed)
        if found:
            with reading(found[0]):
                model = model_from(found[1])
        else:
            pretrained = settings.pretrained == "yes"
            sizes = (settings.image_size, settings.max_tokens)
            model = build_model(settings.encoder, settings.decoder, pretrained, *sizes, self.data.tokenizer)
        optimizer = build_optimizer(model, settings, self.accelerator.device)
        self.model = self.accelerator.prepare_model(model, evaluation_mode=True)  # the gradients we sum ourselves
        self.optimizer = self.accelerator.prepare(optimizer)
        make_state(self.optimizer)
        device = self.accelerator.device
        self.batches = BatchMaker(train, self.data.cache, device, settings.seed)
        self.val_batches = BatchMaker(self.data.val, self.data.cache, device, settings.seed)
        self.stepper = Stepper(
            self.accelerator, self.model, self.optimizer, settings.finding_weight, settings.seed, self.processes
        )
        if found:
            with reading(found[0]):
                self._restore(*found)
        if self.is_finished():
            self.recorder.is_finished(self.progress)
        elif self.processes.is_first:
            self.writer.reserve(self._contents())

    def _restore(self, path: Path, contents: dict[str, Any]) -> None:
        self.model.load_state_dict(contents["model"])
        asked = [{key: group[key] for key in ("peak", "weight_decay")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(contents["optimizer"])
        for group, values in zip(self.optimizer.param_groups, asked, strict=True):
            group.update(values)  # what the command asks for now, where it differs
        if self.accelerator.scaler is not None and contents["scaler"]:
            self.accelerator.scaler.load_state_dict(contents["scaler"])
        self.progress = Progress.from_dict(contents["progress"])
        if not self.progress.rows:  # checkpoints of version 0.1 keep none
            self.progress.rows = rows_up_to(self.folder.history, self.progress.epoch - 1)
        if settings_from(contents).effective_batch != self.settings.effective_batch:  # count the epoch in new steps
            self.progress.step_in_epoch = self.progress.sums.num_studies // self.settings.effective_batch
        self.micro_batch = min(self.settings.micro_batch, self.progress.micro_batch or self.settings.micro_batch)
        if not is_whole(self.folder.best, self.recorder.events):
            self.progress.best_score, self.progress.best_epoch = NO_SCORE, 0  # the next epoch is the best there is
        self.saved_best = (self.progress.best_score, self.progress.best_epoch)
        self.resumed_from = path

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
        description = describe_run(settings, data, self.plan, PROTOCOL, self._device_name(), num_parameters)
        self.recorder.announce(description, progress, self.resumed_from)
        self.recorder.agree(progress)
        self.saved_at = time.monotonic()

    # -- inside the loop

    def _enter_stage(self) -> None:
        self.recorder.stage(self.progress, self.plan, self._device_name())
        self.progress.stage = self.plan.stage(self.progress.epoch)

    def _bar(self, steps: list[list[int]]) -> "tqdm[Any]":
        """A bar that counts batches, as they pass the model."""
        sizes = [-(-len(step) // self.micro_batch) for step in steps]
        return tqdm(
            desc=f"Epoch {self.progress.epoch}/{self.settings.epochs}",
            total=sum(sizes),
            initial=sum(sizes[: self.progress.step_in_epoch]),
            unit="batch",
            disable=None if self.processes.is_first else True,
            leave=False,
        )

    def _count(self, result: StepResult, num_studies: int, seconds: float) -> None:
        """Add a step to the sums of the epoch."""
        progress, sums = self.progress, self.progress.sums
        self.micro_batch = progress.micro_batch = result.micro_batch
        progress.step += 1
        progress.step_in_epoch += 1
        sums.num_studies += num_studies
        sums.train_s += seconds
        sums.oom_retries += result.oom_retries
        if result.was_skipped:
            sums.skipped_steps += 1
            progress.skipped_in_a_row += 1
        else:
            progress.skipped_in_a_row = 0
            sums.num_updates += 1
            sums.token_loss += result.token_loss
            sums.num_tokens += result.num_tokens
            sums.grad_norm += result.grad_norm

    def _show(self, bar: "tqdm[Any]", result: StepResult, num_studies: int) -> None:
        bar.update(-(-num_studies // self.micro_batch))
        bar.set_postfix(loss=f"{result.token_loss / result.num_tokens:.2f}", refresh=False)
        self.recorder.step(result, self.progress, self._accumulation(), decoder_rate(self.optimizer), self._eta_s())
        if self.progress.skipped_in_a_row >= MOST_SKIPPED:
            raise RunError(
                f"{MOST_SKIPPED} steps in a row had no finite loss; the checkpoints are from before. "
                "Try --precision bf16 or fp32, or lower learning rates"
            )

    def _validate(self, stop: StopRequest) -> Evaluation | None:
        """Loss and scores on the validation studies; None when asked to stop meanwhile."""
        status, started = self.recorder.status, time.perf_counter()
        status.update(state="validating", message=f"validating epoch {self.progress.epoch}")

        def stopped() -> bool:
            status.update()  # a sign of life between two batches
            return bool(stop)

        with self.accelerator.autocast():
            evaluation = evaluate(
                self.model, self.data.tokenizer, self.val_batches, self.settings.max_tokens, PROTOCOL,
                progress=self.processes.is_first, stop=stopped, processes=self.processes,
            )  # fmt: skip
        self.progress.validation_s = time.perf_counter() - started
        return evaluation

    def _watch_machine(self) -> MachineWatch:
        device = self.accelerator.device
        if device.type != "cuda":
            return MachineWatch()
        return MachineWatch(GpuReader(str(torch.cuda.get_device_properties(device).uuid)).temperature_c)

    def _heed_machine(self, watch: MachineWatch, stop: StopRequest) -> None:
        """Say what changed about heat, power and clock. Too hot: save, and wait until it is cool."""
        for news in watch.take_news():
            self.recorder.events.add(news.kind, news.message, **news.fields)
        pause_temp = self.settings.pause_temp
        if not watch.must_cool(pause_temp):
            return
        self._save(self.folder.latest)
        self.recorder.paused(self.progress, watch.temperature_c, pause_temp)
        started = time.monotonic()
        while not watch.is_cool(pause_temp) and not stop:
            time.sleep(min(1.0, watch.interval_s))
            self.recorder.cooling(watch.temperature_c)
        self.progress.sums.paused_s += time.monotonic() - started
        self.recorder.cooled(self.progress, watch.temperature_c)

    def _row(self, evaluation: Evaluation, watch: MachineWatch) -> EpochRow:
        """The history row of the epoch; decides whether it is the best so far."""
        progress, scores = self.progress, evaluation.scores
        progress.best_score, progress.best_epoch = self.processes.gather((progress.best_score, progress.best_epoch))[0]
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
            gpu_max_c=watch.take_hottest_c(),
            is_best=is_best,
        )

    def _close_epoch(self, row: EpochRow) -> None:
        """Say how the epoch went, save what it brought, and move on to the next."""
        self.recorder.epoch(row, len(self.data.val))
        self.progress.end_epoch()
        paths = [self.folder.best] if row.is_best else []
        if row.epoch % self.settings.checkpoint_every == 0:
            paths.append(self.folder.periodic(row.epoch))
        self.recorder.status.update(state="saving", message=f"saving epoch {row.epoch}")
        self._save(*paths, self.folder.latest)
        gc.collect()
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _save(self, *paths: Path) -> None:
        """Hand all that a resume needs to the writer, which puts it into these files beside the loop."""
        self.saved_at = time.monotonic()
        if self.processes.is_first:
            self._note(self.writer.save(self._contents(), paths))

    def _note(self, written: list[Written]) -> list[Path]:
        """Say which checkpoints have reached the disk, and return them.

        A full disk leaves the old file and the run goes on; a best model that was not written does not count as one.
        """
        for each in written:
            progress = Progress.from_dict(each.contents["progress"])
            if each.error is None:
                self.recorder.saved(each.path, progress)
            else:
                self.recorder.save_failed(each.path, each.error, progress)
            if each.path == self.folder.best and each.error is None:
                self.saved_best = (progress.best_score, progress.best_epoch)
            elif each.path == self.folder.best:
                self.progress.best_score, self.progress.best_epoch = self.saved_best
        return [each.path for each in written if each.error is None]

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
        self.recorder.status.update(state="stopping", message=f"{stop.name}: saving and leaving")
        self._save(self.folder.latest)
        self._note(self.writer.wait())
        self.recorder.interrupted(stop.name, self.progress)
        return stop.exit_code

    def _finish(self) -> None:
        if not self.processes.is_first:
            return
        self._draw()
        self._save(self.folder.final)
        if self.folder.final not in self._note(self.writer.wait()):
            raise RunError(f"{self.folder.final} could not be written; make room and start the same command again")
        self.recorder.finished(self.progress)

    def _draw(self) -> None:
        try:
            draw_figures(self.folder.history, self.folder.figures)
        except Exception as error:  # whatever it is: the run is complete without its pictures
            log.warning("The figures could not be drawn (%s); python -m xr2text_core.figures draws them later.", error)

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

    def _is_asked_to_stop(self, stop: StopRequest) -> bool:
        """One process that is asked stops them all, after the same step."""
        stop.number = self.processes.most(stop.number)
        return bool(stop)

    def _is_autosave_due(self) -> bool:
        """So early that the file is on disk when the interval ends, if it takes as long as the last one."""
        interval_s = 60 * self.settings.autosave_min
        return time.monotonic() - self.saved_at >= interval_s - min(self.writer.lasted_s, interval_s / 2)

    def _device_name(self) -> str:
        return torch.cuda.get_device_name() if self.accelerator.device.type == "cuda" else "cpu"

    def _best(self) -> str:
        return self.recorder.best(self.progress)


def _counts(sizes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sizes.items())


def is_ready(settings: Settings, resumes: bool, fresh: bool) -> bool:
    """Say what the quick part of preflight finds. What fails keeps a run from starting, but none from going on."""
    is_ready = True
    for each in quick_checks(settings, resumes, fresh):
        if each.outcome == "fail" and not resumes:
            log.error("%s", each.sentence)
            is_ready = False
        elif each.outcome != "pass":
            log.warning("%s", each.sentence)
    return is_ready


def main(options: argparse.Namespace) -> int:
    set_up_console()
    try:
        settings = settings_of(options)
        resumes = continues(settings, options.resume, options.fresh)
        is_first = os.environ.get("RANK", "0") == "0"  # of several processes
        if is_first and not is_ready(settings, resumes, options.fresh):
            return EXIT_UNUSABLE
        return Trainer(settings, resume=options.resume, fresh=options.fresh).fit()
    except (DatasetError, WeightsError, CheckpointError, RunError, OutOfMemory) as error:
        log.error("%s", error)
        return EXIT_UNUSABLE
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        log.error("out of memory outside a step (%s): %s", str(error).partition("\n")[0], ADVICE)
        return EXIT_UNUSABLE
    except KeyboardInterrupt:
        log.info("Stopped before the training began; the same command starts it again.")
        return 130


if __name__ == "__main__":
    gc.freeze()  # what was imported is here to stay; searching it for garbage takes half a second
    sys.exit(main(OPTIONS))
