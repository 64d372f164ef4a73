"""Where the film lies: a film that is not square stands in the model's square image between black borders.

Shapes: B batch, H image side, N = G x G visual tokens, D width. A box is left, top, right, bottom, (B, 4), in fractions
of the square. No result is read on the host, and a film that fills the square gives exactly 0, 0, 1, 1.
"""

import math

import torch
from torch import Tensor

SAME_GREY = 5e-4  # of 0..1: less than what augmentation leaves of one step of 8 bits (1/255) in the dark
SAME_PLACE = 1e-6  # of the square: a token that touches the film by less only does so by rounding


def film_box(pixel_values: Tensor) -> Tensor:
    """Images (B, 1, H, H), 0..1 -> the box of each film. An image of one grey, all black for instance, is all film.

    Borders are rows and columns of the darkest grey of their image, which is 0 until augmentation changes the exposure.
    """
    border = pixel_values.amin((1, 2, 3)).unsqueeze(1) + SAME_GREY
    left, right = _borders(pixel_values.amax((1, 2)) > border)
    top, bottom = _borders(pixel_values.amax((1, 3)) > border)
    return torch.stack([left, top, 1 - right, 1 - bottom], -1)


def on_device_of(other: Tensor, small: Tensor) -> Tensor:
    """`small`, such as a mask from the host, where `other` is. A plain copy waits for all pending work of a GPU."""
    return small.to(other.device, non_blocking=small.is_cpu)  # from a GPU, it would be read before it is there


def tokens_on_film(box: Tensor, side: int) -> Tensor:
    """Which of the G x G tokens see a part of the film, (B, N); at least one does."""
    across, down = _lines_on_film(box, side).unbind(1)
    return (down.unsqueeze(2) & across.unsqueeze(1)).flatten(1)


def film_places(places: Tensor, box: Tensor) -> Tensor:
    """Places (N, 2) in the square, x and y in 0..1, as fractions of each film, (B, N, 2); a border is outside 0..1."""
    low, high = box[:, None, :2], box[:, None, 2:]
    return (places - low) / (high - low)


def spread_over_film(values: Tensor, box: Tensor) -> Tensor:
    """Token values (B, N, D) -> values on a grid of N places that spans the film alone, (B, N, D).

    Bilinear, of tokens on the film. Matrix products: on a GPU the gradient of `grid_sample` is not deterministic.
    """
    side = math.isqrt(values.shape[1])
    across, down = _weights(box, side).to(values.dtype).unbind(1)  # (B, G, G) each
    rows = down @ values.reshape(-1, side, side * values.shape[2])  # (B, G, G * D)
    return (across.unsqueeze(1) @ rows.view(-1, side, side, values.shape[2])).flatten(1, 2)


def _borders(is_film: Tensor) -> tuple[Tensor, Tensor]:
    """The share of lines (B, H) before the first with film and behind the last, (B,) each; none where all are dark."""
    lines = is_film.int()
    first, last = lines.argmax(1), lines.flip(1).argmax(1)  # the first of equal values, so 0 where all are equal
    return first.float() / lines.shape[1], last.float() / lines.shape[1]


def _lines_on_film(box: Tensor, side: int) -> Tensor:
    """Which columns and which rows of tokens see a part of the film, (B, 2, G)."""
    edges = torch.arange(side + 1, device=box.device) / side
    low, high = box[:, :2, None], box[:, 2:, None]
    return (edges[1:] > low + SAME_PLACE) & (edges[:-1] < high - SAME_PLACE)


def _weights(box: Tensor, side: int) -> Tensor:
    """How much of each token's value each place on the film takes, along x and y: (B, 2, places, tokens)."""
    low, high = box[:, :2, None], box[:, 2:, None]
    tokens = torch.arange(side, device=box.device)
    places = low * side + (tokens + 0.5) * (high - low) - 0.5  # (B, 2, G), in tokens
    near = (1 - (places.unsqueeze(-1) - tokens).abs()).clamp_min(0)
    near = near * _lines_on_film(box, side).unsqueeze(2)
    return near / near.sum(-1, keepdim=True)
