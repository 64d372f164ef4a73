"""From what the image head says to what is written: calibrated probabilities, and how likely a finding must be.

Both are fitted on validation studies and kept with the weights. A few hundred studies make a threshold per finding
noise, so only one number is free: the sensitivity. At 1 each finding is written as often as training reports assert it,
at 2 twice as often; the threshold of a finding is the quantile of its validation logits that does so. A finding that is
likelier than not is written in any case.

F findings, N studies. Logits are those of the whole image, truth is 1 where the report asserts a finding.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor, nn

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SENSITIVITIES = (0.3, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)  # the points of the frontier
CHOICES = (0.6, 0.8, 1.0, 1.3)  # one of them becomes the default
WORTH = 0.01  # of F1: a higher sensitivity must gain more than this
LARGEST_SHARE = 0.9  # of studies in which a finding may be written
STEPS = 1000  # of the table of quantiles
FEWEST = 8  # validation studies with a finding whose F1 counts
RIDGE = 3.0  # holds the calibration of a finding to that of all
LARGEST_LOG_SCALE = 5.0  # a few studies that logits separate entirely would have an infinite one
UNKNOWN, NOT_PRESENT, UNCERTAIN, PRESENT = range(4)  # what the decoder is told about a finding
NUM_STATES = 4
FORGOTTEN = 0.1  # share of findings that the decoder is told nothing about while it learns


class FindingDecision(nn.Module):
    """Decides which findings a report asserts. Until it is fitted, those with a probability above one half."""

    quantiles: Tensor
    prevalence: Tensor
    scale: Tensor
    shift: Tensor
    sensitivity: Tensor
    missed: Tensor
    invented: Tensor

    def __init__(self, num_findings: int) -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.zeros(STEPS + 1, num_findings))  # of validation logits
        self.register_buffer("prevalence", torch.full((num_findings,), 0.5))  # in training reports, 0..1
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(num_findings))
        self.register_buffer("sensitivity", torch.ones(()))
        self.register_buffer("missed", torch.full((num_findings,), 0.1))  # share of true findings that are not decided
        self.register_buffer("invented", torch.full((num_findings,), 0.02))  # share of others that are

    def thresholds(self, sensitivity: float | None = None) -> Tensor:
        """The logits (F,) above which a finding is written; `sensitivity` of the fit where none is given."""
        factor = self.sensitivity if sensitivity is None else sensitivity
        place = (1 - (factor * self.prevalence).clamp_max(LARGEST_SHARE)) * STEPS
        below = place.floor().clamp_max(STEPS - 1)
        rows = torch.stack([below, below + 1]).long()
        low, high = self.quantiles.gather(0, rows)
        found: Tensor = low + (place - below) * (high - low)
        likelier_than_not = -self.shift / self.scale
        return found.minimum(likelier_than_not).masked_fill(self.prevalence == 0, torch.inf)

    def decide(self, logits: Tensor, sensitivity: float | None = None) -> Tensor:
        """Whether each finding is written, bool (N, F)."""
        return logits > self.thresholds(sensitivity).to(logits)

    def decided(self, logits: NDArray[np.float32], sensitivity: float) -> Bools:
        """The same for an array, at another sensitivity."""
        found: Bools = self.decide(torch.from_numpy(logits).to(self.quantiles), sensitivity).cpu().numpy()
        return found

    def probability(self, logits: Tensor) -> Tensor:
        """Calibrated probabilities (N, F), 0..1."""
        return (logits.float() * self.scale + self.shift).sigmoid()

    def states(self, logits: Tensor, sensitivity: float | None = None) -> Tensor:
        """What the decoder is told when it writes, (B, F): present, or not."""
        return torch.where(self.decide(logits, sensitivity), PRESENT, NOT_PRESENT)

    def taught_states(self, truth: Tensor, draws: Tensor | None = None) -> Tensor:
        """What the decoder is told while it learns, (B, F), from targets (B, F): 1 present, 0.5 uncertain, 0 neither.

        With `draws` (B, 2, F) in 0..1 they are as wrong as the head was on validation studies, and some are unknown.
        """
        states = torch.where(truth > 0.75, PRESENT, torch.where(truth > 0.25, UNCERTAIN, NOT_PRESENT))
        if draws is None:
            return states
        err, forget = draws.unbind(1)
        is_wrong = err < torch.where(states == PRESENT, self.missed, self.invented)
        swapped = torch.where(states == PRESENT, NOT_PRESENT, PRESENT)
        states = torch.where(is_wrong & (states != UNCERTAIN), swapped, states)
        return torch.where(forget < FORGOTTEN, UNKNOWN, states)

    def fit(self, logits: Floats, truth: Bools) -> None:
        """Fit all but the prevalence, which is that of training reports, to validation studies, (N, F)."""
        scale, shift = calibration(logits, truth)
        table = np.quantile(logits, np.linspace(0, 1, STEPS + 1), axis=0)
        self._set("quantiles", table)
        self._set("scale", scale)
        self._set("shift", shift)
        self._set("sensitivity", self._best_sensitivity(logits, truth))
        decided = self.decide(torch.from_numpy(logits).to(self.quantiles)).cpu().numpy()
        self._set("missed", _share(truth & ~decided, truth, 0.5))
        self._set("invented", _share(~truth & decided, ~truth, 0.0))

    def _set(self, name: str, value: Floats | float) -> None:
        buffer = getattr(self, name)
        buffer.copy_(torch.as_tensor(value).to(buffer))

    def _best_sensitivity(self, logits: Floats, truth: Bools) -> float:
        """The smallest choice whose F1, macro over findings that are not too rare, is as good as that of any other."""
        counted = truth.sum(0) >= FEWEST
        if not counted.any():
            return 1.0
        on_device = torch.from_numpy(logits).to(self.quantiles)
        scores = [macro_f1(self.decide(on_device, each).cpu().numpy(), truth, counted) for each in CHOICES]
        return next(each for each, score in zip(CHOICES, scores, strict=True) if score >= max(scores) - WORTH)


def macro_f1(decided: Bools, truth: Bools, counted: Bools) -> float:
    """Mean F1 of the findings that are counted."""
    hits = (decided & truth).sum(0)
    f1 = 2 * hits / np.maximum(1, decided.sum(0) + truth.sum(0))
    return float(f1[counted].mean())


def calibration(logits: Floats, truth: Bools) -> tuple[float, Floats]:
    """Scale and shifts (F,) of the likeliest probabilities sigmoid(scale * logit + shift).

    One scale for all findings; shifts are held together by a ridge penalty (Platt 1999, with shrinkage).
    """
    centre = logits.mean(0)
    num_findings = logits.shape[1]

    def loss(free: Floats) -> tuple[float, Floats]:
        scale, common, own = np.exp(free[0]), free[1], free[2:]
        moved = scale * (logits - centre) + centre + common + own
        wrong = expit(moved) - truth
        value = (np.logaddexp(0, moved) - truth * moved).sum() + RIDGE * (own**2).sum() / 2
        slope = (wrong * (logits - centre)).sum() * scale
        return float(value), np.concatenate([[slope, wrong.sum()], wrong.sum(0) + RIDGE * own])

    bounds = [(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE), *[(None, None)] * (num_findings + 1)]
    found = minimize(loss, np.zeros(num_findings + 2), jac=True, method="L-BFGS-B", bounds=bounds).x
    scale = float(np.exp(found[0]))
    return scale, centre * (1 - scale) + found[1] + found[2:]


def _share(part: Bools, whole: Bools, unknown: float) -> Floats:
    """Shares by finding, drawn towards `unknown` where there is little to see."""
    shares: Floats = (part.sum(0) + 2 * unknown) / (whole.sum(0) + 2)
    return shares
