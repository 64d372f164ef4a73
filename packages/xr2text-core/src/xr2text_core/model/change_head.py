"""What became of each finding since the last study: decided first, then told to the decoder.

Shapes: B batch, S tokens of evidence, F findings, C = 1 + 5 changes, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.report.comparisons import CHANGES
from xr2text_core.report.tokenizer import IGNORED

NUM_CHANGES = 1 + len(CHANGES)  # 0: the report says nothing of it


class ChangeHead(nn.Module):
    """One query per finding reads what changed in each region and what the last report said."""

    def __init__(self, width: int, num_heads: int, num_findings: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(num_findings, width) * width**-0.5)
        self.read = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.probabilities = nn.Linear(2, width)
        self.norm = nn.LayerNorm(width)
        self.decide = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, NUM_CHANGES))
        self.changes = nn.Embedding(NUM_CHANGES, width)
        nn.init.normal_(self.changes.weight, std=0.05)

    def forward(self, evidence: Tensor, is_there: Tensor, now: Tensor, then: Tensor) -> Tensor:
        """Evidence (B, S, D), where it is there, bool (B, S), and the logits of findings now and then (B, F), whose
        gradient ends here -> logits of the changes (B, F, C).

        A study without any evidence reads all of it, which is nothing; what it decides is not told.
        """
        hidden = ~is_there & is_there.any(1, keepdim=True)
        queries = self.queries.expand(len(evidence), -1, -1)
        found = self.read(queries, evidence, evidence, key_padding_mask=hidden, need_weights=False)[0]
        seen = self.probabilities(torch.stack([now, then], -1).detach().sigmoid().to(found.dtype))
        logits: Tensor = self.decide(self.norm(queries + found + seen))
        return logits

    def tell(self, logits: Tensor) -> Tensor:
        """What the decoder is told beside each finding, (B, F, D)."""
        told: Tensor = logits.softmax(-1).to(self.changes.weight.dtype) @ self.changes.weight
        return told


def change_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy summed over studies and findings; `labels` (B, F), `IGNORED` where no last study was seen."""
    return functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), reduction="sum", ignore_index=IGNORED
    )
