"""All settings of a run, with the defaults of the training guide."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xr2text_core.settings.presets import PRESETS

PRETRAINED = ("both", "encoder", "decoder", "none")  # which half starts from pretrained weights
BEAMS = 4  # width of the search wherever a trained model writes reports; validation while training is greedy


@dataclass(frozen=True)
class Inputs:
    """What a model reads of a study: its films, why they were taken, and the last study of the patient."""

    views: str = "frontal"  # or "all": a lateral film too
    indication: bool = False
    prior: bool = False


@dataclass(frozen=True)
class Settings:
    """The settings of one run; written to run.json and kept in every checkpoint. Units are in names and --help."""

    # data
    data: str = "phantom"
    root: str = ""
    section: str = "findings"
    num_studies: int = 1280
    desk: bool = False
    # model
    preset: str = ""
    encoder: str = ""
    decoder: str = ""
    pretrained: str = "both"
    freeze_encoder: bool = False
    cache_tokens: bool = False
    init: str = ""
    image_size: int = 384
    max_tokens: int = 128
    views: str = "frontal"
    indication: bool = False
    prior: bool = False
    # training
    epochs: int = 50
    patience: int = 999
    micro_batch: int = 4
    accumulation: int = 8
    precision: str = "fp16"
    encoder_rate: float = 3e-5
    decoder_rate: float = 1e-4
    new_rate: float = 2e-4
    weight_decay: float = 0.01
    finding_weight: float = 1.0
    teach_encoder: str = "all"
    freeze_stages: int = 0
    curriculum: bool = True
    replay: float = 0.25
    seed: int = 0
    data_seed: int | None = None
    # scores and files
    select_by: str = "bleu_4+rouge_l"
    val_studies: int = 500
    checkpoint_every: int = 5
    autosave_min: float = 10.0
    workers: int = 0
    device: str = "auto"
    pause_temp: float = 90.0
    track: str = ""
    run: str = ""
    out: str = "."

    def __post_init__(self) -> None:
        if self.pretrained == "yes":  # what both was called in older checkpoints
            object.__setattr__(self, "pretrained", "both")

    @classmethod
    def of(cls, **given: Any) -> "Settings":
        """The defaults, overridden by the preset (phantom for phantoms, else laptop), then by `given`."""
        preset = given.get("preset") or ("phantom" if given.get("data", "phantom") == "phantom" else "laptop")
        if given.get("root"):
            given["root"] = str(Path(given["root"]).expanduser().resolve())  # a resume may start in another folder
        if given.get("init"):
            given["init"] = str(Path(given["init"]).expanduser().resolve())
        chosen = cls(**{**PRESETS[preset], **given, "preset": preset})
        if chosen.keeps_weights or "freeze_stages" in given:
            return chosen
        return replace(chosen, freeze_stages=0)  # those of the preset would keep random weights

    @property
    def is_encoder_pretrained(self) -> bool:
        return is_pretrained("encoder", self.pretrained)

    @property
    def keeps_weights(self) -> bool:
        """Whether the encoder starts from weights that are worth to be kept as they are."""
        return self.is_encoder_pretrained or bool(self.init)

    @property
    def is_decoder_pretrained(self) -> bool:
        return is_pretrained("decoder", self.pretrained)

    @property
    def phantom_seed(self) -> int:
        """The seed that phantoms are drawn with: runs that share it share their studies, test set included."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def inputs(self) -> Inputs:
        return Inputs(self.views, self.indication, self.prior)

    @property
    def effective_batch(self) -> int:
        return self.micro_batch * self.accumulation

    @property
    def cache_folder(self) -> Path:
        """Decoded images are below the output folder, shared by all its runs."""
        return Path(self.out) / "data" / "cache"


def is_pretrained(half: str, pretrained: str) -> bool:
    """Whether this half, encoder or decoder, starts from pretrained weights."""
    return pretrained in ("both", half)
