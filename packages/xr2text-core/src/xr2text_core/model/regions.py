"""Anatomical region queries: each region attends to the image where it is expected, and predicts its findings.

Shapes: B batch, N = G x G visual tokens, R regions, Q = R + global queries, K Gaussians a region, D width, F findings.
Coordinates are fractions of the film without its black borders: x to the right, y down. The patient's right is on the
left of the image.
"""

import math

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

CELLS = 6  # side of the coarse grid of the templates


class RegionQueries(nn.Module):
    """One query per region, and a few global ones. Each reads the image in two ways:

    - attention, with a soft spatial prior that each image refines: what is here, anywhere in the region;
    - a learned template of coarse cells, a signed weight for each channel: what is at this exact place.

    The template is what lets a network trained from scratch tell a blunted angle from a normal one within minutes.
    Priors and templates lie on the film; the black borders that make it square get no attention.
    """

    def __init__(self, channels: int, width: int, num_heads: int, num_global: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_regions = len(REGIONS)
        self.queries = nn.Parameter(torch.randn(self.num_regions + num_global, width) * width**-0.5)
        self.place = nn.Parameter(torch.tensor([PRIORS[name] for name in REGIONS]))  # (R, K, 4)
        self.refine = nn.Linear(width, self.place.numel())
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(channels, width)
        self.template = nn.Parameter(self._first_template(width))  # (Q, D, CELLS, CELLS)
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        nn.init.zeros_(self.refine.weight)  # start from the anatomical prior
        nn.init.zeros_(self.refine.bias)

    def forward(self, features: Tensor, tokens: Tensor, box: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Backbone features (B, N, C) and visual tokens (B, N, D) -> query tokens (B, Q, D), regions first, and their
        attention (B, Q, N), each row of which sums to 1.

        `box`: where the film lies (`film_box`), (B, 4); without it films fill the square.
        """
        if box is None:
            box = functional.pad(torch.ones(len(tokens), 2, device=tokens.device), (2, 0))  # 0, 0, 1, 1
        values = self.value(features)  # (B, N, D)
        attention = self._attention(tokens, box)  # (B, heads, Q, N)
        by_head = self._by_head(values)  # (B, heads, N, D/heads)
        attended = (attention.to(values.dtype) @ by_head).transpose(1, 2).flatten(2)  # (B, Q, D)
        matched = self._matched(spread_over_film(values, box))
        seen: Tensor = self.norm(self.queries + self.project(attended + matched))
        return seen + self.feed_forward(seen), attention.mean(1)

    def _attention(self, tokens: Tensor, box: Tensor) -> Tensor:
        key = self._by_head(self.key(tokens))  # (B, heads, N, D/heads)
        query = self._by_head(self.queries)  # (heads, Q, D/heads)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        on_film = tokens_on_film(box, math.isqrt(tokens.shape[1]))  # (B, N)
        scores = scores.float() + self._prior(tokens, on_film, box).unsqueeze(1)
        attention: Tensor = scores.masked_fill(~on_film[:, None, None], torch.finfo(scores.dtype).min).softmax(-1)
        return attention

    def _matched(self, values: Tensor) -> Tensor:
        """Values (B, N, D) weighed by the templates and summed over the tokens, (B, Q, D).

        A product and a sum: as a matrix product, one study alone would be an outer product, which PyTorch 2.14 gives to
        a kernel that it compiles (pytorch issue 196977), and on a CPU it would be many small copies.
        """
        template = self._template_at(values.shape[1]).to(values.dtype)  # (Q, D, N)
        return (values.transpose(1, 2).unsqueeze(1) * template).sum(-1)

    def _by_head(self, each: Tensor) -> Tensor:
        """(..., rows, D) -> (..., heads, rows, D/heads)."""
        return each.reshape(*each.shape[:-1], self.num_heads, -1).transpose(-2, -3)

    def _prior(self, tokens: Tensor, on_film: Tensor, box: Tensor) -> Tensor:
        """Log of the spatial prior, refined for this film, (B, Q, N); zero for the global queries."""
        weight = on_film.to(tokens.dtype).unsqueeze(-1)
        film = (tokens * weight).sum(1) / weight.sum(1)  # (B, D)
        shift = self.refine(film).float().view(-1, *self.place.shape).tanh()  # (B, R, K, 4)
        centre = self.place[..., :2] + 0.15 * shift[..., :2]
        spread = self.place[..., 2:].abs().clamp_min(0.02) * (0.5 * shift[..., 2:]).exp()
        places = film_places(_grid(tokens.shape[1], tokens.device), box)  # (B, N, 2)
        prior = _log_density(centre, spread, places[:, None, None])
        return functional.pad(prior, (0, 0, 0, self.queries.shape[0] - self.num_regions))

    def _template_at(self, num_tokens: int) -> Tensor:
        """The templates on the grid of the tokens, (Q, D, N), scaled so that a finer grid sums to the same."""
        side = math.isqrt(num_tokens)
        template: Tensor = self.template
        if side != CELLS:
            template = functional.interpolate(template, size=(side, side), mode="bilinear", align_corners=False)
        return template.flatten(2) * (CELLS**2 / num_tokens)

    def _first_template(self, width: int) -> Tensor:
        """Random weights where the region is expected, of length 1 per query and channel."""
        cells = _grid(CELLS**2, self.place.device)
        prior = _log_density(self.place[..., :2].detach(), self.place[..., 2:].detach(), cells).softmax(-1)
        flat = torch.full((len(self.queries) - self.num_regions, CELLS**2), CELLS**-2.0)
        weight = functional.normalize(torch.cat([prior, flat]), dim=-1)  # (Q, CELLS * CELLS)
        return weight.view(-1, 1, CELLS, CELLS) * torch.randn(len(weight), width, CELLS, CELLS)


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


def _log_density(centre: Tensor, spread: Tensor, places: Tensor) -> Tensor:
    """Log density of each region at places (..., N, 2), as (..., R, N): far away is unlikely, not impossible."""
    offset = (places - centre.unsqueeze(-2)) / spread.unsqueeze(-2)  # (..., R, K, N, 2)
    return (-0.5 * offset.square().sum(-1)).logsumexp(-2).clamp_min(-8.0)


def _grid(num_tokens: int, device: torch.device) -> Tensor:
    """Centres of the G x G cells, (N, 2) as x, y in 0..1."""
    side = math.isqrt(num_tokens)
    line = (torch.arange(side, device=device) + 0.5) / side
    return torch.stack([line.repeat(side), line.repeat_interleave(side)], -1)
