"""The last study of the same patient, as tokens for the decoder: its film, its regions, and what changed in each.

What became of each finding is read from both films and from what the last report says of it, and learned from what the
report says. It is evidence of the finding itself, and told to the decoder.

Shapes: B batch, Q region and global queries, F findings, C changes, D width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.report.changes.comparisons import CHANGES
from xr2text_core.report.statements import STATEMENTS, UNKNOWN
from xr2text_core.report.tokenizer import IGNORED

NUM_CHANGES = 1 + len(CHANGES)  # the first: the report says of no change
SAID_WEIGHT, UNSAID_WEIGHT = 4.0, 1.0  # of the loss; the report says of no change nearly always
NOT_THERE = (0, 1 + CHANGES.index("resolved"))  # of all others the finding is there now
THERE = tuple(set(range(NUM_CHANGES)) - set(NOT_THERE))

NUM_SPANS = 15  # of time: unknown, less than a day, less than 3, 7, 15, ... days; the last is 22 years and more
STD = 0.02


class LastReport(NamedTuple):
    """Of the last studies: their reports as token ids (B, T), what these state of each finding (B, F), places in
    STATEMENTS, and the days since (B,). None where nothing is given.
    """

    ids: Tensor | None = None
    findings: Tensor | None = None
    days: Tensor | None = None


class Became(NamedTuple):
    """Logits of what became of each finding (B, F, C), and in which studies a last film tells, bool (B,)."""

    logits: Tensor
    is_compared: Tensor


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
        self.looked_for = nn.Parameter(torch.randn(num_findings, width) * width**-0.5)
        self.said = nn.Embedding(len(STATEMENTS), width)
        self.seen = nn.Linear(2, width)
        self.classify = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, NUM_CHANGES)
        )
        self.follows = nn.Parameter(
            torch.zeros(num_findings, len(STATEMENTS), NUM_CHANGES)
        )  # from what was said, alone
        self.weight = nn.Parameter(torch.zeros(num_findings))  # as evidence of the finding
        self.shift = nn.Parameter(torch.zeros(num_findings))
        self.changes = nn.Parameter(torch.randn(NUM_CHANGES, width) * width**-0.5)
        self.spans = nn.Embedding(NUM_SPANS, width)
        nn.init.normal_(self.said.weight, std=width**-0.5)
        nn.init.normal_(self.spans.weight, std=STD)

    def change(self, now: Tensor, before: Tensor) -> Tensor:
        """Query tokens of both frontal films (B, Q, D) -> what changed in each region, (B, Q, D)."""
        found: Tensor = self.norm(self.queries + self.compare(torch.cat([now, now - before], -1)))
        return found

    def logits(self, change: Tensor, findings: Tensor, said: Tensor | None) -> Tensor:
        """What changed in each region (B, Q, D), the logits of the findings on both films, now and then (B, F, 2), and
        what the last report says of them (B, F) -> logits of what became of each finding (B, F, C).
        """
        said = findings.new_full(findings.shape[:2], UNKNOWN, dtype=torch.long) if said is None else said
        looked_at = self.weigh.softmax(0).T @ change  # (B, F, D)
        known = looked_at + self.looked_for + self.said(said) + self.seen(findings)
        which = torch.arange(said.shape[1], device=said.device)
        found: Tensor = self.classify(known) + self.follows[which, said]
        return found

    def evidence(self, became: Became) -> Tensor:
        """What became of findings adds this to their logits, (B, F)."""
        by_class = became.logits.unbind(-1)  # a list as an index would make a GPU wait
        there, gone = (torch.stack([by_class[each] for each in kind], -1).logsumexp(-1) for kind in (THERE, NOT_THERE))
        return ((there - gone) * self.weight + self.shift) * became.is_compared[:, None]

    def tell(self, became: Became) -> Tensor:
        """What the decoder is told of each finding, (B, F, D); how sure the logits are is told too."""
        return became.logits.softmax(-1) @ self.changes * became.is_compared[:, None, None]

    def since(self, days: Tensor) -> Tensor:
        """Days between the studies (B,), NaN where nobody knows -> (B, D)."""
        is_known = days >= 0
        span = (days.where(is_known, 0) + 1).log2().clamp_max(NUM_SPANS - 2).long() + 1
        found: Tensor = self.spans(span.where(is_known, 0))
        return found


def change_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of what became of each finding, summed, of logits (B, F, C) and labels (B, F), `IGNORED` where no
    last film is seen."""
    rows = logits.to(torch.promote_types(logits.dtype, torch.float32)).flatten(0, 1)
    wanted = labels.flatten()
    losses = functional.cross_entropy(rows, wanted, reduction="none", ignore_index=IGNORED)
    return (losses * torch.where(wanted == 0, UNSAID_WEIGHT, SAID_WEIGHT)).sum()
