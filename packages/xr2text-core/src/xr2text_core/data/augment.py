"""Augmentation on the training device: small random changes. Never a flip: left and right are words in a report."""

import math

import torch
from torch import Tensor
from torch.nn import functional

MAX_ROTATION_DEG = 6.0
MAX_SCALE = 0.08  # share of the size
MAX_SHIFT = 0.05  # share of the side
MAX_BRIGHTNESS = 0.08  # of the range 0..1
MAX_CONTRAST = 0.15
MAX_LOG_GAMMA = 0.2
LEAST_LEFT = 0.2  # of each grey: a dark film never becomes as black as the border, which tells where the film lies


def to_float(images: Tensor) -> Tensor:
    """uint8 (B, H, H), 0..255 -> float (B, 1, H, H), 0..1."""
    return images.unsqueeze(1).float() / 255


def augment(images: Tensor, draws: Tensor) -> Tensor:
    """uint8 (B, H, H) and draws (B, 8) in 0..1 -> float (B, 1, H, H), 0..1, slightly moved and re-exposed."""
    if not len(images):
        return to_float(images)  # grid_sample rejects an empty batch
    signed = draws.float() * 2 - 1
    moved = functional.grid_sample(to_float(images), _places(signed, images.shape[1]), align_corners=False)
    brightness, contrast, gamma = (signed[:, column].view(-1, 1, 1, 1) for column in (5, 6, 7))
    exposed = moved.clamp(1e-4, 1).pow((MAX_LOG_GAMMA * gamma).exp())
    exposed = ((exposed - 0.5) * (1 + MAX_CONTRAST * contrast) + 0.5 + MAX_BRIGHTNESS * brightness).clamp(0, 1)
    return exposed.maximum(LEAST_LEFT * moved)


def _places(signed: Tensor, side: int) -> Tensor:
    """The sampling grid, (B, H, H, 2) in -1..1: rotated, scaled and shifted by columns 1 to 4 of `signed`.

    The same as `affine_grid` of these transforms, which takes ten times as long on a CPU.
    """
    centres = (torch.arange(side, device=signed.device) * 2 + 1) / side - 1
    across, down = centres.view(1, 1, -1), centres.view(1, -1, 1)
    turn, scale, right, below = (signed[:, column].view(-1, 1, 1) for column in (1, 2, 3, 4))
    angle, factor = turn * math.radians(MAX_ROTATION_DEG), 1 + scale * MAX_SCALE
    cosine, sine = angle.cos() * factor, angle.sin() * factor
    reach = 2 * MAX_SHIFT  # the grid runs from -1 to 1
    places = signed.new_empty(len(signed), side, side, 2)
    torch.sub(cosine * across + right * reach, sine * down, out=places[..., 0])
    torch.add(sine * across + below * reach, cosine * down, out=places[..., 1])
    return places
