"""A trained model: model, tokenizer, and the settings it was trained with."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.images.cache import build_cache
from xr2text_core.data.readers.sources import read_dataset
from xr2text_core.data.ready import make_ready, usable
from xr2text_core.data.study import Dataset, DatasetError, Study, film_names
from xr2text_core.inference.composer import Composer, ReportBank
from xr2text_core.inference.reading import pen_of
from xr2text_core.machine.processor import computes_bf16
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from xr2text_core.settings.settings import Settings


@dataclass(frozen=True)
class TrainedModel:
    """The model is in eval mode, on `device`."""

    model: XR2TextModel
    tokenizer: ReportTokenizer
    settings: Settings
    device: torch.device
    composer: Composer | None = None  # None for a model that decides no findings first

    def autocast(self) -> torch.autocast:
        """The precision of its training, which validation had too, where this device computes in it; else FP32."""
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(self.settings.precision)
        is_in_hardware = self.device.type == "cuda" or (dtype == torch.bfloat16 and computes_bf16())
        return torch.autocast(self.device.type, dtype, enabled=is_in_hardware and dtype is not None)

    def be_sensitive(self, sensitivity: float) -> None:
        """Write findings more or less readily than on the validation studies; 1 is as often as training reports do."""
        if self.model.encoder.study is None:
            raise CheckpointError("this model decides no findings first, so it has no sensitivity")
        self.model.encoder.study.decision.sensitivity.fill_(sensitivity)

    @property
    def operating_point(self) -> dict[str, str]:
        """How readily it writes findings, and who writes; empty for a model that decides no findings first."""
        study = self.model.encoder.study
        return (
            {}
            if study is None
            else {"sensitivity": f"{float(study.decision.sensitivity):g}", "pen": pen_of(self.model)}
        )

    def dataset(self, root: str = "") -> Dataset:
        """The data set it was trained on; `root` if it has moved since."""
        settings = self.settings
        root = root or ("" if settings.data == "phantom" else settings.root)
        return read_dataset(settings.data, root, settings.num_studies, settings.phantom_seed, settings.desk)

    def batches(self, studies: list[Study], beside: Sequence[Study] = (), most: int = 0) -> BatchMaker:
        """Batches of those of these studies whose images can be read; raises DatasetError where there are none.

        `beside`: studies that share their image cache; `most`: so many of them, evenly spread, 0 for all.
        """
        settings = self.settings
        names = film_names((*studies, *beside), settings.views, settings.prior)
        cache = build_cache(settings.cache_folder, names, settings.image_size, settings.workers)
        good = usable(studies, cache, settings.section)
        if not good:
            raise DatasetError(
                f"none of the {len(studies)} studies of this split has a readable image and a {settings.section} text"
            )
        kept = good[:: -(-len(good) // most)] if most else good
        sizes = (settings.section, self.tokenizer, settings.max_tokens)
        ready = make_ready(kept, *sizes, None, settings.inputs, cache.unreadable)
        return BatchMaker(ready, cache, self.device, settings.seed, settings.views)


def load_model(path: str | Path, device_name: str = "auto") -> TrainedModel:
    """The model of a checkpoint; CheckpointError where it is missing or damaged.

    `device_name`: "cpu", or "auto" for the GPU where there is one.
    """
    checkpoint = load_checkpoint(Path(path))
    device = torch.device("cuda" if device_name == "auto" and torch.cuda.is_available() else "cpu")
    with reading(Path(path)):
        model = model_from(checkpoint).to(device).eval()  # type: ignore[arg-type]
        decides = model.encoder.study is not None  # one of version 0.1 that was trained on has a bank all the same
        composer = Composer(ReportBank.from_json(checkpoint.bank)) if checkpoint.bank and decides else None
        return TrainedModel(model, tokenizer_from(checkpoint), settings_from(checkpoint), device, composer)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors from intact but incompatible contents into a CheckpointError that names the file."""
    try:
        yield
    except Exception as error:  # tokenizers raise nothing narrower
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: does not fit this version or this model ({reason})") from error


def model_from(checkpoint: Checkpoint) -> XR2TextModel:
    """The model of a checkpoint, in train mode on the CPU."""
    model = model_of_sizes(checkpoint)
    model.load_state_dict(checkpoint.model)
    return model


def model_of_sizes(checkpoint: Checkpoint, num_reports: int | None = None) -> XR2TextModel:
    """A model of the same size with random weights; `num_reports` in its bank where that is another one."""
    config = json.loads(checkpoint.config)
    if num_reports is not None and config.get("findings_first"):
        config["num_reports"] = num_reports
    return XR2TextModel(XR2TextConfig.from_dict(config))


def tokenizer_from(checkpoint: Checkpoint) -> ReportTokenizer:
    return ReportTokenizer.from_json(checkpoint.tokenizer)


def settings_from(checkpoint: Checkpoint) -> Settings:
    """The settings of a checkpoint; unknown ones of another version are ignored."""
    known = {field.name for field in fields(Settings)}
    return replace(Settings(), **{name: value for name, value in checkpoint.settings.items() if name in known})
