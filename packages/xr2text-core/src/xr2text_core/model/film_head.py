"""The findings and the words of a report, read from each whole film: what teaches an encoder on few studies.

Every film has weights of its own, their logits are summed: a lateral film says more about a hernia, a frontal one about
the heart. The words that reports use are a second, denser lesson for the encoder; nothing reads them afterwards.

B studies, V films, C channels, F findings, W words.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_WORDS = 256
DROPOUT = 0.2
WORDS_WEIGHT = 0.25  # of the loss of the words beside that of the findings


class FilmHead(nn.Module):
    """Pooled features of films to logits of the findings, and of the words, of their study."""

    words: Tensor

    def __init__(self, num_films: int, channels: int, num_findings: int) -> None:
        super().__init__()
        self.findings = nn.ModuleList(nn.Linear(channels, num_findings, bias=film == 0) for film in range(num_films))
        self.of_words = nn.ModuleList(nn.Linear(channels, NUM_WORDS, bias=film == 0) for film in range(num_films))
        self.dropout = nn.Dropout(DROPOUT)
        self.register_buffer("words", torch.full((NUM_WORDS,), -1))  # token ids; -1 where there are fewer
        for layer in (*self.findings, *self.of_words):
            nn.init.normal_(layer.weight, std=0.01)

    def begin_with(self, prevalence: Tensor, words: Tensor) -> None:
        """Start from how common findings are, (F,) in 0..1, and learn these words, at most W token ids."""
        with torch.no_grad():
            self.findings[0].bias.copy_(prevalence.clamp(0.002, 0.5).logit())  # type: ignore[operator]
        self.words[: len(words)] = words.to(self.words)

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (B, V, C), zero for a missing film, -> logits of findings (B, F) and of words (B, W)."""
        films = self.dropout(films)
        return self._summed(self.findings, films), self._summed(self.of_words, films)

    def _summed(self, layers: nn.ModuleList, films: Tensor) -> Tensor:
        """One film of a model that knows two is the frontal one."""
        seen = zip(layers, films.unbind(1), strict=False)
        return torch.stack([layer(film) for layer, film in seen]).sum(0)

    def word_loss(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Binary cross-entropy summed over studies, of which words (B, W) the reports with tokens (B, T) have."""
        has_word = (tokens.unsqueeze(2) == self.words).any(1)  # -1 is no token, and padding is -100
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        losses = functional.binary_cross_entropy_with_logits(logits, has_word.to(logits), reduction="none")
        return WORDS_WEIGHT * (losses * (self.words >= 0)).sum() / 8


def telling_words(reports: Iterable[Sequence[int]], num_tokens: int) -> Tensor:
    """The ids of the tokens that tell reports apart best, at most W: those that are in about half of them first."""
    having, num_reports = torch.zeros(num_tokens), 0
    for tokens in reports:
        having[torch.tensor(sorted(set(tokens)), dtype=torch.long)] += 1
        num_reports += 1
    share = having / max(1, num_reports)
    variance = share * (1 - share)
    found = variance.topk(min(NUM_WORDS, num_tokens))
    return found.indices[found.values > 0]
