"""What a run is made of: its studies, their plan, the model and its optimizer, and how a checkpoint holds them."""

import json
from dataclasses import asdict, dataclass, replace

import torch
from accelerate import Accelerator

from xr2text_core import __version__
from xr2text_core.data.batches import BatchMaker
from xr2text_core.inference.composer import Composer, ReportBank, bank_indices, kept_bank
from xr2text_core.inference.trained import model_of_sizes, tokenizer_from
from xr2text_core.machine.processes import Processes
from xr2text_core.model.build import build_model
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.changes.wording import ChangeWording
from xr2text_core.report.labeler import LABELER_VERSION
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import Checkpoint
from xr2text_core.run.status import Status, now
from xr2text_core.settings.settings import Settings
from xr2text_core.training.device import open_device
from xr2text_core.training.first_fit import encode_films, fit_before_training, fit_thumbnails
from xr2text_core.training.optimizer import allocate_state, build_optimizer
from xr2text_core.training.plan import Plan
from xr2text_core.training.prepared import PreparedData, prepare_data
from xr2text_core.training.progress import Progress
from xr2text_core.training.start import Found
from xr2text_core.training.step import Stepper

THUMBNAILS = "encoder.study.thumbnails."  # names of what is fitted to the training studies


@dataclass(frozen=True)
class Parts:
    """The model is in train mode, on the device of the accelerator."""

    settings: Settings
    data: PreparedData
    plan: Plan
    accelerator: Accelerator
    processes: Processes
    model: XR2TextModel
    optimizer: torch.optim.Optimizer
    batches: BatchMaker
    val_batches: BatchMaker
    stepper: Stepper
    composer: Composer

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def load(self, checkpoint: Checkpoint) -> None:
        """Load weights, moments and the FP16 loss scale from a checkpoint; learning rates stay those of this start."""
        self.model.load_state_dict(checkpoint.model)
        asked = [{key: group[key] for key in ("peak", "weight_decay")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(checkpoint.optimizer)
        for group, values in zip(self.optimizer.param_groups, asked, strict=True):
            group.update(values)
        if self.accelerator.scaler is not None and checkpoint.scaler:
            self.accelerator.scaler.load_state_dict(checkpoint.scaler)

    def begin_with(self, checkpoint: Checkpoint) -> None:
        """Load the weights of another run; what was fitted to its studies is fitted to those of this run anew."""
        fitted = {name: tensor for name, tensor in self.model.state_dict().items() if name.startswith(THUMBNAILS)}
        self.model.load_state_dict({**checkpoint.model, **fitted})
        if self.model.encoder.study is not None:
            fit_thumbnails(self.model.encoder.study, self.batches, bank_indices(self.data.train.to_compose_from))

    def with_cached_tokens(self, status: Status) -> "Parts":
        """With --cache-tokens, training reads what the frozen encoder sees from the disk; missing films are encoded."""
        if not self.settings.cache_tokens:
            return self
        status.update(state="caching", message="encoding each film once")
        with self.processes.rank_0_first():
            tokens = encode_films(self.model, self.accelerator, self.batches, status.update)
        return replace(self, batches=replace(self.batches, tokens=tokens))

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """All that a resume needs at this moment; tensors are references, not copies."""
        scaler = self.accelerator.scaler
        return Checkpoint(
            version=__version__,
            saved_at=now(),
            settings=asdict(self.settings),
            fingerprint=self.data.fingerprint,
            config=json.dumps(self.model.config.to_dict()),
            tokenizer=self.data.tokenizer.to_json(),
            progress=progress.to_dict(),
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=scaler.state_dict() if scaler is not None else {},
            labeler=LABELER_VERSION,
            bank=self.composer.bank.to_json(),
        )


def build_parts(settings: Settings, processes: Processes, found: Found | None, status: Status) -> Parts:
    """Read the data, and build the model and its optimizer; those of a checkpoint where one was found.

    Raises DatasetError, WeightsError, CheckpointError where the checkpoint does not fit this version, and RunError
    where it is the run's own and was trained on other studies.
    """
    status.update(state="caching", message="reading the data set and decoding its images once")
    tokenizer = None
    if found:
        with found.reading():
            tokenizer = tokenizer_from(found.checkpoint)
    with processes.rank_0_first():
        data = prepare_data(settings, tokenizer, is_alive=status.update)
        bank = _bank(settings, found, data)
    if found:
        found.check_studies(data.dataset)
    plan = Plan.of(settings, data.train)
    status.update(state="starting", message="building the model")
    accelerator = open_device(settings)
    device = accelerator.device
    torch.manual_seed(settings.seed)
    model = _model(settings, found, data.tokenizer, len(bank.texts))
    model.freeze(settings.freeze_stages, settings.freeze_encoder, settings.cache_tokens)
    optimizer = build_optimizer(model, settings, device)
    batches, val_batches = (
        BatchMaker(each, data.cache, device, settings.seed, settings.views) for each in (data.train, data.val)
    )
    model = accelerator.prepare_model(model, evaluation_mode=True)  # we sum the gradients ourselves
    optimizer = accelerator.prepare(optimizer)
    allocate_state(optimizer)
    if not found:
        fit_before_training(model, batches, bank_indices(data.train.to_compose_from))
    stepper = Stepper(accelerator, model, optimizer, settings.finding_weight, settings.seed, processes)
    return Parts(
        settings, data, plan, accelerator, processes, model, optimizer, batches, val_batches, stepper, Composer(bank)
    )


def _bank(settings: Settings, found: Found | None, data: PreparedData) -> ReportBank:
    """Training reports to compose from; those of the checkpoint where the run continues."""
    if found and found.origin != "init" and found.checkpoint.bank:
        with found.reading():
            return ReportBank.from_json(found.checkpoint.bank)
    bank = kept_bank(data.train.to_compose_from, settings.cache_folder)
    if not settings.prior:
        return bank
    compared = data.train.references
    return replace(bank, changes=ChangeWording.of([compared[index] for index in bank_indices(compared)]))


def _model(settings: Settings, found: Found | None, tokenizer: ReportTokenizer, num_reports: int) -> XR2TextModel:
    """A new model; where a checkpoint was found, one of its sizes, to be loaded later."""
    if found:
        with found.reading():
            return model_of_sizes(found.checkpoint, num_reports)
    sizes = (settings.image_size, settings.max_tokens)
    return build_model(
        settings.encoder, settings.decoder, settings.pretrained, *sizes, tokenizer, **asdict(settings.inputs),
        num_reports=num_reports, teach_encoder=settings.teach_encoder,
    )  # fmt: skip
