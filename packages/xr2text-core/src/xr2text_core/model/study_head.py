"""Findings first: what a study shows is decided, then the decoder is told.

B studies, V films, C channels, D width, F findings.
"""

import torch
from torch import Tensor, nn

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.decision import NUM_STATES, FindingDecision
from xr2text_core.model.film_head import FilmHead
from xr2text_core.model.thumbnails import Thumbnails


class StudyHead(nn.Module):
    """Reads the findings of a whole study, decides which of them to write, and tells the decoder.

    `pen`: who writes the report: the decoder alone, or with the help of inference/reading.py.
    """

    pen: Tensor

    def __init__(self, config: XR2TextConfig, channels: int) -> None:
        super().__init__()
        num_findings = len(config.findings)
        self.films = FilmHead(config.num_films, channels, num_findings)
        self.thumbnails = Thumbnails(config.num_films, num_findings, config.num_reports)
        self.decision = FindingDecision(num_findings)
        self.states = nn.Embedding(NUM_STATES * num_findings, config.bart["d_model"])
        self.register_buffer("pen", torch.zeros((), dtype=torch.long))
        nn.init.normal_(self.states.weight, std=0.05)

    def forward(self, features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (B, V, C) and thumbnails -> logits of the findings (B, F) and of the words (B, W).

        The thumbnails are fitted to the training studies, so they are silent while the network learns from those.
        """
        findings, words = self.films(features)
        findings = findings.to(torch.promote_types(findings.dtype, torch.float32))  # in BF16 many are equal
        if not self.training:
            findings = findings + self.thumbnails.share * self.thumbnails.logits(pixels)
        return findings, words

    def tell(self, states: Tensor) -> Tensor:
        """Tokens (B, F, D) for the decoder, of states (B, F)."""
        first = torch.arange(states.shape[1], device=states.device) * NUM_STATES
        tokens: Tensor = self.states(first + states)
        return tokens
