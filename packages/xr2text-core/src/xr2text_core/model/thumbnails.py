"""What thumbnails of the films tell by themselves: ridge regression, fitted once before training.

A network that has seen two thousand studies reads shapes; the coarse brightness of a film tells size, position and
exposure, and with them whose film it is: which words its reader is likely to choose. Hoerl and Kennard 1970.

B studies, V films, D = V * 24 * 24 pixels of thumbnails, F findings, N reports of the bank.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.model.film import on_device_of

SIDE = 24
RIDGE = 3e4  # chosen on validation studies of IU X-Ray
Floats = NDArray[np.float64]


class Thumbnails(nn.Module):
    """Linear maps from the thumbnails of a study. Nothing here is trained by gradients."""

    mean: Tensor
    spread: Tensor
    to_findings: Tensor
    to_reports: Tensor
    share: Tensor

    def __init__(self, num_films: int, num_findings: int, num_reports: int) -> None:
        super().__init__()
        size = num_films * SIDE**2
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("to_findings", torch.zeros(size, num_findings))
        self.register_buffer("to_reports", torch.zeros(size, num_reports))
        self.register_buffer("share", torch.zeros(()))  # of the thumbnails' logits that is added to the network's

    def pixels(self, films: Tensor, film_mask: Tensor | None = None) -> Tensor:
        """Standardised thumbnails (B, D) of films (B, V, 1, H, H), 0..1; those of a missing film are average."""
        small = functional.adaptive_avg_pool2d(films.float().flatten(0, 1), SIDE).view(*films.shape[:2], -1)
        size = small.shape[1] * small.shape[2]  # one film of a model that knows two: the other is missing
        mean, spread = self.mean[:size].view(small.shape[1:]), self.spread[:size].view(small.shape[1:])
        standard = (small - mean) / spread
        if film_mask is not None:
            standard = standard.masked_fill(~on_device_of(standard, film_mask).unsqueeze(-1), 0)
        return functional.pad(standard.flatten(1), (0, len(self.mean) - size))

    def logits(self, pixels: Tensor) -> Tensor:
        """What they add to the logits of the findings, (B, F)."""
        return pixels @ self.to_findings

    def wording(self, pixels: Tensor) -> Tensor:
        """Weights (B, N) over the reports of the bank: whose report is this one's likely to resemble."""
        with torch.autocast(pixels.device.type, enabled=False):  # its entries are as small as FP16 can tell apart
            return pixels @ self.to_reports

    def fit(self, films: Floats, is_film: NDArray[np.bool_], truth: Floats, bank: NDArray[np.int64]) -> None:
        """Fit to thumbnails (N, V, 24 * 24) of training studies and their findings (N, F); `bank`: rows of its reports.

        The logits are a linear probability's change divided by p (1 - p), the slope of the logistic function.
        """
        known = np.repeat(is_film, films.shape[2], axis=1)
        flat = films.reshape(len(films), -1)
        count = np.maximum(1, known.sum(0))
        mean = np.where(known, flat, 0).sum(0) / count
        spread = np.sqrt((np.where(known, flat - mean, 0) ** 2).sum(0) / count) + 1e-6
        standard = np.where(known, (flat - mean) / spread, 0)
        inverse = np.linalg.solve(standard.T @ standard + RIDGE * np.eye(standard.shape[1]), standard.T)  # (D, N)
        prevalence = truth.mean(0)
        slope = np.maximum(prevalence * (1 - prevalence), 1 / len(truth))
        found = {"mean": mean, "spread": spread, "to_reports": inverse[:, bank]}
        found["to_findings"] = inverse @ (truth - prevalence) / slope
        for name, value in found.items():
            buffer = getattr(self, name)
            buffer.copy_(torch.from_numpy(value).to(buffer))
