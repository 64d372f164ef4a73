"""All that must survive a resume and is not a weight."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from xr2text_core.training.plan import Since
from xr2text_core.training.step import StepResult

NO_SCORE = -1.0  # below any score: none yet


class Best(NamedTuple):
    """The best epoch so far, its score, and its finding AUC, 0 where none is known."""

    score: float
    epoch: int
    auc: float


NO_BEST = Best(NO_SCORE, 0, 0.0)


@dataclass
class EpochSums:
    """The running sums of the current epoch."""

    token_loss: float = 0.0
    num_tokens: int = 0
    grad_norm: float = 0.0
    num_updates: int = 0
    num_studies: int = 0
    skipped_steps: int = 0
    oom_retries: int = 0
    train_s: float = 0.0
    paused_s: float = 0.0  # to cool down


@dataclass
class Progress:
    """Where a run is. Numbers and strings only, so that a checkpoint loads with `weights_only=True`."""

    epoch: int = 1  # the current epoch, 1-based; epochs + 1 when all is done
    step_in_epoch: int = 0  # steps done in it
    step: int = 0  # steps since the start of the run
    stage: str = ""
    best_score: float = NO_SCORE
    best_epoch: int = 0
    best_auc: float = 0.0  # finding AUC of the best epoch; 0 where none is known
    highest_auc: float = 0.0  # of any epoch
    epochs_without_improvement: int = 0
    skipped_in_a_row: int = 0
    micro_batch: int = 0  # in force; 0 before the first step
    validation_s: float = 0.0  # duration of the last validation
    sums: EpochSums = field(default_factory=EpochSums)
    rows: list[dict[str, str]] = field(default_factory=list)  # of the history so far: the file is a copy of these
    is_sound: bool = True  # whether the newest step that had studies had a finite loss
    since: Since = field(default_factory=Since)  # from where the plan in force counts

    def count(self, result: StepResult, num_studies: int, seconds: float) -> None:
        """Add a step to the sums of the epoch."""
        sums = self.sums
        self.micro_batch = result.micro_batch
        self.step += 1
        self.step_in_epoch += 1
        sums.num_studies += num_studies
        sums.train_s += seconds
        sums.oom_retries += result.oom_retries
        if result.num_tokens:
            self.is_sound = not result.was_skipped
        if result.was_skipped:
            sums.skipped_steps += 1
            self.skipped_in_a_row += 1
        else:
            self.skipped_in_a_row = 0
            sums.num_updates += 1
            sums.token_loss += result.token_loss
            sums.num_tokens += result.num_tokens
            sums.grad_norm += result.grad_norm

    def judge(self, val_loss: float, uses_scaler: bool) -> None:
        """Whether the weights at the end of an epoch may be saved: the validation must have a finite loss.

        The scaler of FP16 skips single steps while it looks for its scale: one at the very end is no reason to doubt.
        """
        is_moving = self.is_sound or self.skipped_in_a_row <= int(uses_scaler)
        self.is_sound = is_moving and math.isfinite(val_loss)

    def count_score(self, score: float, auc: float = math.nan, standard_error: float = math.nan) -> bool:
        """Whether the current epoch is the best so far; if so, keep its score and its finding AUC.

        Only epochs whose finding AUC is within one standard error of the highest can be the best: a report of good
        words must not win over one that reads the image. Without an AUC, NaN, the score alone decides.
        """
        is_known = math.isfinite(auc) and math.isfinite(standard_error)
        auc, margin = (auc, standard_error) if is_known else (self.highest_auc, 0.0)
        self.highest_auc = max(self.highest_auc, auc)
        lowest = self.highest_auc - margin
        is_best = math.isfinite(score) and auc >= lowest and (score > self.best_score or self.best_auc < lowest)
        if is_best:
            self.best = Best(score, self.epoch, auc)
            self.epochs_without_improvement = 0
        else:
            self.epochs_without_improvement += 1
        return is_best

    @property
    def best(self) -> Best:
        return Best(self.best_score, self.best_epoch, self.best_auc)

    @best.setter
    def best(self, best: Best) -> None:
        self.best_score, self.best_epoch, self.best_auc = best

    def forget_best(self) -> None:
        """Count the best model anew: the next epoch is the best there is."""
        self.best, self.highest_auc, self.epochs_without_improvement = NO_BEST, 0.0, 0

    def end_epoch(self) -> None:
        self.epoch += 1
        self.step_in_epoch = 0
        self.sums = EpochSums()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Progress":
        """Unknown fields of a newer version are ignored, missing ones of an older version get their default."""
        sums = EpochSums(**_known(EpochSums, values.get("sums", {})))
        since = Since(**_known(Since, values.get("since", {})))
        return cls(**{**_known(cls, values), "sums": sums, "since": since})


def _known(kind: type[Progress] | type[EpochSums] | type[Since], values: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
