"""What may change between two starts of a run, and what happens then: the one place that compares old and new.

docs/run-files.md has the same table for readers; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from xr2text_core.settings.settings import Settings


class Effect(StrEnum):
    """What becomes of a run when a setting changes."""

    ANOTHER_MODEL = "another model"  # refused: the weights do not fit
    ANOTHER_RUN = "another run"  # refused without --resume FILE: earlier scores are not comparable
    CONTINUES = "continues"  # and is logged
    FREE = "free"  # results do not depend on it


MODEL, RUN, CONTINUES, FREE = Effect.ANOTHER_MODEL, Effect.ANOTHER_RUN, Effect.CONTINUES, Effect.FREE
SIZES = "refused: the weights have other sizes"
RATE = "the new peak, at the current point of the curve"
ORDER = "refused: the studies would come in another order"
RULES: dict[str, tuple[Effect, str]] = {
    "data": (RUN, "refused: other studies"),
    "root": (FREE, "the data set may have moved; other studies than before are refused"),
    "section": (RUN, "refused: other reports"),
    "num_studies": (RUN, "refused: other studies"),
    "desk": (RUN, "refused: other reports"),
    "preset": (FREE, "counts only through the settings that it sets"),
    "encoder": (MODEL, SIZES),
    "decoder": (MODEL, SIZES),
    "pretrained": (FREE, "only a new run asks for pretrained weights"),
    "freeze_encoder": (MODEL, "refused: the optimizer has other weights"),
    "cache_tokens": (MODEL, "refused: cached tokens are pooled, and not augmented"),
    "init": (RUN, "refused: the run started otherwise; may be omitted on a resume"),
    "image_size": (MODEL, SIZES),
    "max_tokens": (MODEL, SIZES),
    "views": (MODEL, SIZES),
    "indication": (MODEL, "refused: another input"),
    "prior": (MODEL, "refused: another input"),
    "epochs": (
        CONTINUES,
        "the learning rate decays from its current value to its floor at the new end; no stage returns",
    ),
    "patience": (CONTINUES, "epochs since the best score still count"),
    "micro_batch": (CONTINUES, "the same run, up to rounding and dropout, if the product with --accumulation stays"),
    "accumulation": (
        CONTINUES,
        "if the product with --batch changes, the rate stays on its curve over studies seen",
    ),
    "precision": (CONTINUES, "different rounding from here on"),
    "encoder_rate": (CONTINUES, RATE),
    "decoder_rate": (CONTINUES, RATE),
    "new_rate": (CONTINUES, RATE),
    "weight_decay": (CONTINUES, "from the next update on"),
    "finding_weight": (CONTINUES, "from the next update on"),
    "teach_encoder": (MODEL, "refused: other losses reach the encoder"),
    "freeze_stages": (MODEL, "refused: other weights are trained"),
    "curriculum": (RUN, ORDER),
    "replay": (RUN, ORDER),
    "seed": (RUN, "refused: another order, other dropout; without --data-seed other phantoms too"),
    "data_seed": (RUN, "refused: other phantoms"),
    "select_by": (RUN, "refused: best by another score"),
    "val_studies": (CONTINUES, "the best model is selected again: scores on other studies are not comparable"),
    "checkpoint_every": (CONTINUES, "from the next epoch on"),
    "autosave_min": (FREE, "how much a kill can cost"),
    "workers": (FREE, "speed alone"),
    "device": (FREE, "different rounding; a GPU and a CPU do not agree to the bit"),
    "pause_temp": (FREE, "when the trainer waits"),
    "track": (FREE, "what is logged for the tracker"),
    "run": (FREE, "another name is another run, in folders of its own"),
    "out": (FREE, "another folder holds other runs; a run that is moved with its files resumes there"),
}
NAMES = {"micro_batch": "batch"}  # of flags, where they are not those of the settings


@dataclass(frozen=True)
class Change:
    """A setting that is not what it was."""

    name: str
    old: Any
    new: Any

    @property
    def effect(self) -> Effect:
        return RULES[self.name][0]

    @property
    def difference(self) -> str:
        """`--epochs: 50 -> 60`."""
        return f"{flag_of(self.name)}: {_shown(self.old)} -> {_shown(self.new)}"

    def __str__(self) -> str:
        return f"{self.difference} ({RULES[self.name][1].removeprefix('refused: ')})"  # with --resume FILE it is not


def flag_of(name: str) -> str:
    """The flag that sets a setting."""
    return f"--{NAMES.get(name, name).replace('_', '-')}"


def changes(old: dict[str, Any], new: Settings) -> list[Change]:
    """What a start with `new` does differently from the one that `old` is of, but for what is free to change.

    A setting that an older version did not have has its default there.
    """
    before = {**asdict(Settings()), **old}
    differ = [Change(name, before[name], value) for name, value in asdict(new).items() if before[name] != value]
    same = set() if new.init else {"init"}  # may be omitted on a resume
    if _keeps_stages(before, new):
        same.add("freeze_stages")
    if new.phantom_seed == (before["seed"] if before["data_seed"] is None else before["data_seed"]):
        same.add("data_seed")  # however it was given
    return [each for each in differ if each.effect != FREE and each.name not in same]


def refusal(differ: Sequence[Change], is_asked_for: bool = False) -> str:
    """Why a run cannot continue with these changes; empty where it can. `is_asked_for`: its file was given by name."""
    refused = (MODEL,) if is_asked_for else (MODEL, RUN)
    if not (wrong := [each.difference for each in differ if each.effect in refused]):
        return ""
    return (
        f"belongs to a run with other settings ({'; '.join(wrong)}). Give the same flags to resume it, "
        "--run NAME to start another run beside it, or --fresh to move it aside; --init FILE starts from its weights. "
        "Where you changed none of it, a preset did: --config with the run.json of the run gives what it began with"
    )


def keep_beginning(old: dict[str, Any], new: Settings) -> Settings:
    """A resumed run keeps how it started, also where --init is not given again."""
    stages = int(old.get("freeze_stages", 0)) if _keeps_stages(old, new) else new.freeze_stages
    return replace(new, init=new.init or str(old.get("init", "")), freeze_stages=stages)


def _keeps_stages(old: dict[str, Any], new: Settings) -> bool:
    """Whether stages are not frozen only because the resume does not give --init again."""
    return bool(old.get("init")) and not new.keeps_weights and not new.freeze_stages


def _shown(value: Any) -> str:
    return str(value) if value not in ("", None) else "none"
