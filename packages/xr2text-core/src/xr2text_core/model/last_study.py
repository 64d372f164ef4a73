"""The last study of the same patient, as tokens for the decoder: its film, its regions, and what changed in each.

What became of each finding is read from both films, learned from what the report says, and told to the decoder.

Shapes: B batch, Q region and global queries, F findings, C changes, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.report.comparisons import CHANGES
from xr2text_core.report.tokenizer import IGNORED

NUM_CHANGES = 1 + len(CHANGES)  # the first: the report says of no change
UNSAID_WEIGHT = 0.25  # of the loss where it says of none, which is nearly always

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
        num_findings = len(config.findings)
        self.weigh = nn.Parameter(torch.zeros(num_queries, num_findings))  # where each finding is looked for
        self.classify = nn.Linear(width, num_findings * NUM_CHANGES)
        self.findings = nn.Parameter(torch.randn(num_findings, width) * width**-0.5)
        self.changes = nn.Parameter(torch.randn(NUM_CHANGES, width) * width**-0.5)
        self.spans = nn.Embedding(NUM_SPANS, width)
        nn.init.normal_(self.spans.weight, std=STD)

    def change(self, now: Tensor, before: Tensor) -> Tensor:
        """Query tokens of both frontal films (B, Q, D) -> what changed in each region, (B, Q, D)."""
        found: Tensor = self.norm(self.queries + self.compare(torch.cat([now, now - before], -1)))
        return found

    def logits(self, change: Tensor) -> Tensor:
        """What changed in each region (B, Q, D) -> logits of what became of each finding (B, F, C)."""
        by_query = self.classify(change).unflatten(2, (self.weigh.shape[1], NUM_CHANGES))  # (B, Q, F, C)
        found: Tensor = (by_query * self.weigh.softmax(0).unsqueeze(-1)).sum(1)
        return found

    def tell(self, logits: Tensor) -> Tensor:
        """Tokens (B, F, D) for the decoder; how sure the logits (B, F, C) are is told too."""
        return self.findings + logits.softmax(-1) @ self.changes

    def since(self, days: Tensor) -> Tensor:
        """Days between the studies (B,), NaN where nobody knows -> (B, D)."""
        is_known = days >= 0
        span = (days.where(is_known, 0) + 1).log2().long().clamp_max(NUM_SPANS - 2) + 1
        found: Tensor = self.spans(span.where(is_known, 0))
        return found


def change_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of what became of each finding, summed, of logits (B, F, C) and labels (B, F), `IGNORED` where no
    last film is seen."""
    rows, wanted = logits.float().flatten(0, 1), labels.flatten()
    losses = functional.cross_entropy(rows, wanted, reduction="none", ignore_index=IGNORED)
    return (losses * torch.where(wanted == 0, UNSAID_WEIGHT, 1.0)).sum()
