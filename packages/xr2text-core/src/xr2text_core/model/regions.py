"""Anatomical region queries: each region attends to the films where it is expected, and predicts its findings.

Shapes: B batch, N = G x G visual tokens, R regions, Q = R + global queries, K Gaussians a region, D width, F findings.
Coordinates are fractions of the film without its black borders: x to the right, y down. The patient's right is on the
left of the image.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.model.film import film_places, spread_over_film, tokens_on_film
from xr2text_core.report.vocabulary import REGIONS

# Where each region lies on a frontal film: two Gaussians (x, y, spread of x, spread of y) each.
PRIORS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "right lung": ((0.30, 0.33, 0.12, 0.14), (0.27, 0.58, 0.12, 0.14)),
    "left lung": ((0.70, 0.33, 0.12, 0.14), (0.74, 0.58, 0.12, 0.14)),
    "heart": ((0.53, 0.62, 0.12, 0.11), (0.60, 0.66, 0.12, 0.10)),
    "mediastinum": ((0.50, 0.25, 0.08, 0.12), (0.50, 0.42, 0.09, 0.12)),
    "spine": ((0.50, 0.25, 0.05, 0.20), (0.50, 0.70, 0.05, 0.20)),
    "diaphragm": ((0.30, 0.76, 0.15, 0.08), (0.70, 0.78, 0.15, 0.08)),
    "costophrenic angles": ((0.16, 0.80, 0.10, 0.10), (0.84, 0.80, 0.10, 0.10)),
}
# The same on a lateral film that shows the spine on the right, as most do. Both lungs lie on one another.
PRIORS_LATERAL: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "right lung": ((0.50, 0.30, 0.16, 0.14), (0.56, 0.56, 0.16, 0.14)),
    "left lung": ((0.50, 0.30, 0.16, 0.14), (0.56, 0.56, 0.16, 0.14)),
    "heart": ((0.38, 0.58, 0.13, 0.12), (0.44, 0.64, 0.12, 0.10)),
    "mediastinum": ((0.48, 0.24, 0.10, 0.12), (0.50, 0.42, 0.10, 0.12)),
    "spine": ((0.74, 0.32, 0.08, 0.18), (0.76, 0.64, 0.08, 0.18)),
    "diaphragm": ((0.38, 0.76, 0.15, 0.09), (0.62, 0.78, 0.15, 0.09)),
    "costophrenic angles": ((0.76, 0.84, 0.12, 0.10), (0.26, 0.78, 0.12, 0.10)),
}

CELLS = 6  # side of the coarse grid of the templates


class SeenFilm(NamedTuple):
    """A film of each study: backbone features (B, N, C), visual tokens (B, N, D), where it lies in the square (B, 4),
    and which studies have it, bool (B,), None for all. What a missing film holds must be finite.
    """

    features: Tensor
    tokens: Tensor
    box: Tensor
    is_there: Tensor | None = None


class FilmPlaces(nn.Module):
    """What regions know of a lateral film alone: where they lie, how an image moves them, and their templates."""

    def __init__(self, num_queries: int, width: int) -> None:
        super().__init__()
        self.place = nn.Parameter(_places_of(PRIORS_LATERAL))  # (R, K, 4)
        self.refine = nn.Linear(width, self.place.numel())
        self.template = nn.Parameter(_first_template(self.place, num_queries, width))  # (Q, D, CELLS, CELLS)
        nn.init.zeros_(self.refine.weight)
        nn.init.zeros_(self.refine.bias)


class RegionQueries(nn.Module):
    """One query per region, and a few global ones. Each reads every film of a study in two ways, and sums what it read:

    - attention, with a soft spatial prior that each image refines: what is here, anywhere in the region;
    - a learned template of coarse cells, a signed weight for each channel: what is at this exact place.

    The template is what lets a network trained from scratch tell a blunted angle from a normal one within minutes.
    Priors and templates lie on the film; the black borders that make it square get no attention. A lateral film has
    priors and templates of its own, and shares all else.
    """

    def __init__(self, channels: int, width: int, num_heads: int, num_global: int, knows_lateral: bool = False) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_regions = len(REGIONS)
        self.queries = nn.Parameter(torch.randn(self.num_regions + num_global, width) * width**-0.5)
        self.place = nn.Parameter(_places_of(PRIORS))  # (R, K, 4)
        self.refine = nn.Linear(width, self.place.numel())
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(channels, width)
        self.template = nn.Parameter(_first_template(self.place, len(self.queries), width))  # (Q, D, CELLS, CELLS)
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        nn.init.zeros_(self.refine.weight)  # start from the anatomical prior
        nn.init.zeros_(self.refine.bias)
        self.lateral = FilmPlaces(len(self.queries), width) if knows_lateral else None

    def forward(self, film: SeenFilm) -> tuple[Tensor, Tensor]:
        """What the queries read on frontal films, (B, Q, D), regions first, and their attention (B, Q, N) there, each
        row of which sums to 1.
        """
        return self.read(self, film)

    def with_lateral(self, read: Tensor, beside: SeenFilm | None) -> Tensor:
        """What was read on frontal films (B, Q, D), and on the lateral ones beside them."""
        if beside is None or self.lateral is None:
            return read
        further, _ = self.read(self.lateral, beside)
        if beside.is_there is not None:
            further = further * beside.is_there[:, None, None]
        return read + further

    def as_tokens(self, read: Tensor) -> Tensor:
        """What the queries read (B, Q, D) -> query tokens (B, Q, D)."""
        seen: Tensor = self.norm(self.queries + self.project(read))
        found: Tensor = seen + self.feed_forward(seen)
        return found

    def read(self, of: "RegionQueries | FilmPlaces", film: SeenFilm) -> tuple[Tensor, Tensor]:
        """What the queries read on films, by the places and templates `of` their view, (B, Q, D); their attention."""
        values = self.value(film.features)  # (B, N, D)
        attention = self._attention(of, film.tokens, film.box)  # (B, heads, Q, N)
        by_head = self._by_head(values)  # (B, heads, N, D/heads)
        attended = (attention.to(values.dtype) @ by_head).transpose(1, 2).flatten(2)  # (B, Q, D)
        matched = _matched(spread_over_film(values, film.box), _template_at(of.template, values.shape[1]))
        return attended + matched, attention.mean(1)

    def _attention(self, of: "RegionQueries | FilmPlaces", tokens: Tensor, box: Tensor) -> Tensor:
        key = self._by_head(self.key(tokens))  # (B, heads, N, D/heads)
        query = self._by_head(self.queries)  # (heads, Q, D/heads)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        on_film = tokens_on_film(box, math.isqrt(tokens.shape[1]))  # (B, N)
        scores = scores.float() + self._prior(of, tokens, on_film, box).unsqueeze(1)
        attention: Tensor = scores.masked_fill(~on_film[:, None, None], torch.finfo(scores.dtype).min).softmax(-1)
        return attention

    def _by_head(self, each: Tensor) -> Tensor:
        """(..., rows, D) -> (..., heads, rows, D/heads)."""
        return each.reshape(*each.shape[:-1], self.num_heads, -1).transpose(-2, -3)

    def _prior(self, of: "RegionQueries | FilmPlaces", tokens: Tensor, on_film: Tensor, box: Tensor) -> Tensor:
        """Log of the spatial prior, refined for this film, (B, Q, N); zero for the global queries."""
        weight = on_film.to(tokens.dtype).unsqueeze(-1)
        film = (tokens * weight).sum(1) / weight.sum(1)  # (B, D)
        shift = of.refine(film).float().view(-1, *of.place.shape).tanh()  # (B, R, K, 4)
        centre = of.place[..., :2] + 0.15 * shift[..., :2]
        spread = of.place[..., 2:].abs().clamp_min(0.02) * (0.5 * shift[..., 2:]).exp()
        places = film_places(_grid(tokens.shape[1], tokens.device), box)  # (B, N, 2)
        prior = _log_density(centre, spread, places[:, None, None])
        return functional.pad(prior, (0, 0, 0, self.queries.shape[0] - self.num_regions))


class RegionHead(nn.Module):
    """Predicts the findings of each region and the whole image, and a gate that weights each region for the decoder."""

    def __init__(self, width: int, num_findings: int) -> None:
        super().__init__()
        self.findings = nn.Linear(width, num_findings)
        self.routing = nn.Linear(width, 1)
        self.tell = nn.Linear(num_findings, width)

    def forward(self, queries: Tensor, num_regions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Query tokens (B, Q, D) -> routed tokens (B, Q, D), finding logits (B, R + 1, F), routing (B, R), 0..1.

        Row R of the logits is the whole image, read from the global queries.
        """
        regions, others = queries[:, :num_regions], queries[:, num_regions:]
        rows = torch.cat([regions, others.mean(1, keepdim=True)], 1)  # (B, R + 1, D)
        logits = self.findings(rows)
        feedback = self.tell(logits.sigmoid())
        weight = self.routing(regions).sigmoid()  # (B, R, 1)
        routed = torch.cat([weight * (regions + feedback[:, :-1]), others + feedback[:, -1:]], 1)
        return routed, logits, weight.squeeze(-1)


def position_encoding(num_tokens: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines of x and y, (N, D), a positional encoding that is independent of the image size."""
    quarter = width // 4
    frequency = torch.exp(torch.arange(quarter, device=device) * (-math.log(100.0) / quarter)) * 2 * math.pi
    angle = _grid(num_tokens, device).unsqueeze(-1) * frequency  # (N, 2, D/4)
    return functional.pad(torch.cat([angle.sin(), angle.cos()], -1).flatten(1), (0, width - 4 * quarter))


def _places_of(priors: Mapping[str, tuple[tuple[float, ...], ...]]) -> Tensor:
    """Where the regions lie at first, (R, K, 4)."""
    return torch.tensor([priors[name] for name in REGIONS])


def _matched(values: Tensor, template: Tensor) -> Tensor:
    """Values (B, N, D) weighed by templates (Q, D, N) and summed over the tokens, (B, Q, D).

    A product and a sum: as a matrix product, one study alone would be an outer product, which PyTorch 2.14 gives to
    a kernel that it compiles (pytorch issue 196977), and on a CPU it would be many small copies.
    """
    return (values.transpose(1, 2).unsqueeze(1) * template.to(values.dtype)).sum(-1)


def _template_at(template: Tensor, num_tokens: int) -> Tensor:
    """The templates on the grid of the tokens, (Q, D, N), scaled so that a finer grid sums to the same."""
    side = math.isqrt(num_tokens)
    if side != CELLS:
        template = functional.interpolate(template, size=(side, side), mode="bilinear", align_corners=False)
    return template.flatten(2) * (CELLS**2 / num_tokens)


def _first_template(place: Tensor, num_queries: int, width: int) -> Tensor:
    """Random weights where each region is expected, of length 1 per query and channel."""
    cells = _grid(CELLS**2, place.device)
    prior = _log_density(place[..., :2].detach(), place[..., 2:].detach(), cells).softmax(-1)
    flat = torch.full((num_queries - len(prior), CELLS**2), CELLS**-2.0)
    weight = functional.normalize(torch.cat([prior, flat]), dim=-1)  # (Q, CELLS * CELLS)
    return weight.view(-1, 1, CELLS, CELLS) * torch.randn(len(weight), width, CELLS, CELLS)


def _log_density(centre: Tensor, spread: Tensor, places: Tensor) -> Tensor:
    """Log density of each region at places (..., N, 2), as (..., R, N): far away is unlikely, not impossible."""
    offset = (places - centre.unsqueeze(-2)) / spread.unsqueeze(-2)  # (..., R, K, N, 2)
    return (-0.5 * offset.square().sum(-1)).logsumexp(-2).clamp_min(-8.0)


def _grid(num_tokens: int, device: torch.device) -> Tensor:
    """Centres of the G x G cells, (N, 2) as x, y in 0..1."""
    side = math.isqrt(num_tokens)
    line = (torch.arange(side, device=device) + 0.5) / side
    return torch.stack([line.repeat(side), line.repeat_interleave(side)], -1)
