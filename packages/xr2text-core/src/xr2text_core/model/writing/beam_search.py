"""Greedy and beam search: what transformers' `generate` writes, but a study costs nothing once its report is done.

B open studies, K beams, T tokens, V vocabulary. Scores are log-probabilities (nats).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xr2text_core.model.writing.decoder_cache import CachedDecoder, OpenRows
from xr2text_core.model.xr2text import XR2TextModel

NEVER = -1e9  # score of a beam that does not exist; finite, because sums of it are compared


def greedy_search(model: XR2TextModel, memory: Tensor, max_tokens: int, memory_mask: Tensor | None = None) -> Tensor:
    """The likeliest token at each step, for encoder states (B, S, D) and their mask: token ids (B, T), padded."""
    config, device = model.config, memory.device
    decoder = CachedDecoder(model, memory, 1, max_tokens, memory_mask)
    reports = torch.full((len(memory), max_tokens), config.pad_token_id, device=device)
    studies = torch.arange(len(memory), device=device)
    tokens = torch.full((len(memory), 1), config.decoder_start_token_id, device=device)
    for position in range(max_tokens):
        tokens = decoder.step(tokens, torch.zeros_like(tokens)).argmax(2)
        reports[studies, position] = tokens[:, 0]
        is_open = (tokens[:, 0] != config.eos_token_id).tolist()
        if not any(is_open):
            break
        if not all(is_open):
            rows = OpenRows(is_open, device)
            decoder.keep(rows)
            studies, tokens = rows.of(studies), rows.of(tokens)
    return reports


def beam_search(
    model: XR2TextModel, memory: Tensor, max_tokens: int, num_beams: int, memory_mask: Tensor | None = None
) -> Tensor:
    """The ended report of the highest mean score, for encoder states (B, S, D) and their mask: ids (B, T), padded."""
    config, device = model.config, memory.device
    decoder = CachedDecoder(model, memory, num_beams, max_tokens, memory_mask)
    reports = torch.full((len(memory), max_tokens), config.pad_token_id, device=device)
    studies = torch.arange(len(memory), device=device)
    beams = Beams.start(reports, num_beams)
    tokens = torch.full((len(memory), num_beams), config.decoder_start_token_id, device=device)
    parents = torch.zeros_like(tokens)
    for position in range(max_tokens):
        logits = decoder.step(tokens, parents)
        tokens, parents = beams.extend(logits, position, config.eos_token_id)
        is_open = beams.can_improve(position).tolist()
        if all(is_open):
            continue
        reports[studies] = beams.ended[:, 0]  # also of those still open: they are overwritten later
        if not any(is_open):
            break
        rows = OpenRows(is_open, device)
        decoder.keep(rows)
        beams.keep(rows)
        studies, tokens, parents = rows.of(studies), rows.of(tokens), rows.of(parents)
    return reports


@dataclass
class Beams:
    """The best running and the best ended reports of each open study, both from the best down.

    A running score is a sum over tokens. An ended one is a mean, so that a long report is not worse for its length.
    """

    running: Tensor  # (B, K, T)
    running_scores: Tensor  # (B, K)
    ended: Tensor  # (B, K, T)
    ended_scores: Tensor  # (B, K)

    @classmethod
    def start(cls, reports: Tensor, num_beams: int) -> "Beams":
        """Beams without a token yet, for empty reports (B, T). Only the first beam exists: all would be equal."""
        empty = reports[:, None].repeat(1, num_beams, 1)
        scores = torch.full(empty.shape[:2], NEVER, device=reports.device)
        running_scores = scores.clone()
        running_scores[:, 0] = 0
        return cls(empty, running_scores, empty.clone(), scores)

    def extend(self, logits: Tensor, position: int, end: int) -> tuple[Tensor, Tensor]:
        """Add the token at `position` from logits (B, K, V): the new tokens and the beams they follow, both (B, K)."""
        num_beams, vocabulary = logits.shape[1:]
        scores = logits.log_softmax(2).add_(self.running_scores[..., None])
        # Each beam can end in one way only, so among 2 K continuations at least K continue.
        scores, chosen = scores.flatten(1).topk(2 * num_beams)  # (B, 2K)
        parents, tokens = chosen // vocabulary, chosen % vocabulary
        reports = self.running.take_along_dim(parents[..., None], 1)  # (B, 2K, T)
        reports[..., position] = tokens
        is_last = position + 1 == reports.shape[2]
        has_ended = torch.ones_like(tokens, dtype=torch.bool) if is_last else tokens == end
        self._collect(reports[:, :num_beams], scores[:, :num_beams] / (position + 1), has_ended[:, :num_beams])
        self.running_scores, best = scores.masked_fill(has_ended, NEVER).topk(num_beams)
        self.running = reports.take_along_dim(best[..., None], 1)
        return tokens.gather(1, best), parents.gather(1, best)

    def _collect(self, reports: Tensor, scores: Tensor, has_ended: Tensor) -> None:
        """Keep the best of what has ended before and now. Ends outside the best K continuations do not count."""
        scores = torch.cat([self.ended_scores, scores.masked_fill(~has_ended, NEVER)], 1)
        self.ended_scores, best = scores.topk(self.ended_scores.shape[1])
        self.ended = torch.cat([self.ended, reports], 1).take_along_dim(best[..., None], 1)

    def can_improve(self, position: int) -> Tensor:
        """Whether the best running report, if it ended now, would beat the worst ended one of its study: (B,)."""
        return self.running_scores[:, 0] / (position + 1) > self.ended_scores[:, -1]

    def keep(self, rows: OpenRows) -> None:
        """Drop the finished studies."""
        self.running, self.running_scores = rows.of(self.running), rows.of(self.running_scores)
        self.ended, self.ended_scores = rows.of(self.ended), rows.of(self.ended_scores)
