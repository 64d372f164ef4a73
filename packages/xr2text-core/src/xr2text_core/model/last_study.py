"""The last study of the same patient, as tokens for the decoder: its film, its regions, and what changed in each.

Shapes: B batch, N visual tokens of a film, Q region and global queries, D width.
"""

import torch
from torch import Tensor, nn

from xr2text_core.model.config import XR2TextConfig

NUM_SPANS = 15  # of time: unknown, less than a day, less than 3, 7, 15, ... days; the last is 22 years and more
STD = 0.02


class LastStudy(nn.Module):
    """Marks what is from the last study, and compares the regions of its frontal film with those of this one."""

    def __init__(self, config: XR2TextConfig, num_queries: int) -> None:
        super().__init__()
        width = config.bart["d_model"]
        self.film = nn.Parameter(torch.randn(width) * width**-0.5)
        self.compare = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))
        self.queries = nn.Parameter(torch.randn(num_queries, width) * width**-0.5)
        self.norm = nn.LayerNorm(width)
        self.spans = nn.Embedding(NUM_SPANS, width)
        nn.init.normal_(self.spans.weight, std=STD)

    def change(self, now: Tensor, before: Tensor) -> Tensor:
        """Query tokens of both frontal films (B, Q, D) -> what changed in each region, (B, Q, D)."""
        found: Tensor = self.norm(self.queries + self.compare(torch.cat([now, now - before], -1)))
        return found

    def since(self, days: Tensor) -> Tensor:
        """Days between the studies (B,), NaN where nobody knows -> (B, D)."""
        is_known = days >= 0
        span = (days.where(is_known, 0) + 1).log2().long().clamp_max(NUM_SPANS - 2) + 1
        found: Tensor = self.spans(span.where(is_known, 0))
        return found
