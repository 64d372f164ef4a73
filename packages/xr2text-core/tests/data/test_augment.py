"""Augmentation moves and re-exposes a little, always the same way for the same draws, and never flips."""

import math

import numpy as np
import pytest
import torch

from xr2text_core.data.augment import (
    MAX_BRIGHTNESS,
    MAX_CONTRAST,
    MAX_ROTATION_DEG,
    MAX_SCALE,
    MAX_SHIFT,
    _places,
    augment,
    to_float,
)
from xr2text_core.drawing.names import draw_image

NEUTRAL = torch.full((1, 8), 0.5)


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    """One phantom, (1, 64, 64)."""
    return torch.from_numpy(draw_image("phantom:0/3", 64))[None]


def random_draws(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((count, 8)))


def corners() -> torch.Tensor:
    """All draws at one of their ends: every combination of the seven that augment."""
    ends = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 7)
    return torch.cat([torch.full((len(ends), 1), 0.5), ends], 1)


def similarity(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Correlation of the pixels of each pair, -1..1."""
    first, second = ((each - each.mean((1, 2, 3), keepdim=True)).flatten(1) for each in (first, second))
    return torch.cosine_similarity(first, second)


def test_pixels_stay_in_0_to_1_at_every_extreme(image: torch.Tensor) -> None:
    for draws in (random_draws(64), corners()):
        images = augment(image.expand(len(draws), -1, -1), draws)
        assert images.shape == (len(draws), 1, 64, 64)
        assert images.isfinite().all()
        assert (images >= 0).all() and (images <= 1).all()


def test_black_and_white_images_stay_finite_at_every_extreme() -> None:
    for value in (0, 255):
        images = augment(torch.full((128, 16, 16), value, dtype=torch.uint8), corners())
        assert images.isfinite().all()


def test_the_same_draws_give_the_same_image_whatever_is_beside_it(image: torch.Tensor) -> None:
    draws = random_draws(8)
    together = augment(image.expand(8, -1, -1), draws)
    for index in range(8):
        assert torch.equal(augment(image, draws[index : index + 1])[0], together[index])
    assert not torch.equal(together[0], together[1])


def test_places_are_those_of_the_affine_grid_of_the_same_movement() -> None:
    signed = random_draws(16).float() * 2 - 1
    angle, factor = signed[:, 1] * math.radians(MAX_ROTATION_DEG), 1 + signed[:, 2] * MAX_SCALE
    cosine, sine = angle.cos() * factor, angle.sin() * factor
    right, below = (signed[:, 3:5] * 2 * MAX_SHIFT).T
    movements = torch.stack([torch.stack([cosine, -sine, right], 1), torch.stack([sine, cosine, below], 1)], 1)
    grid = torch.nn.functional.affine_grid(movements, [16, 1, 9, 9], align_corners=False)
    assert torch.allclose(_places(signed, 9), grid, atol=1e-6)


def test_an_empty_batch_stays_empty() -> None:
    assert augment(torch.zeros(0, 16, 16, dtype=torch.uint8), torch.zeros(0, 8)).shape == (0, 1, 16, 16)


def test_an_image_is_never_flipped_or_turned_over() -> None:
    letter = torch.zeros(1, 64, 64, dtype=torch.uint8)
    letter[:, 8:56, 8:30] = 255  # a thick L: neither its mirror nor its upside-down is like it
    letter[:, 36:56, 8:56] = 255
    draws = torch.cat([random_draws(64), corners()])
    images = augment(letter.expand(len(draws), -1, -1), draws)
    plain = to_float(letter).expand_as(images)
    itself = similarity(images, plain)
    for flip in ([3], [2], [2, 3]):
        assert (itself > similarity(images, plain.flip(flip)) + 0.2).all()


def test_draws_in_the_middle_change_nothing(image: torch.Tensor) -> None:
    torch.testing.assert_close(augment(image, NEUTRAL), to_float(image), rtol=0, atol=1e-3)


def test_the_first_draw_orders_the_epoch_and_changes_no_pixel(image: torch.Tensor) -> None:
    other = NEUTRAL.clone()
    other[0, 0] = 0.9
    assert torch.equal(augment(image, other), augment(image, NEUTRAL))


@pytest.mark.parametrize("column", range(1, 8))
def test_every_other_draw_changes_the_image(image: torch.Tensor, column: int) -> None:
    draws = NEUTRAL.clone()
    draws[0, column] = 1.0
    assert (augment(image, draws) - augment(image, NEUTRAL)).abs().mean() > 0.005


def test_exposure_changes_a_grey_by_no_more_than_the_limits() -> None:
    grey = torch.full((128, 16, 16), 128, dtype=torch.uint8)
    centres = augment(grey, corners())[:, 0, 8, 8]
    most = MAX_BRIGHTNESS + 0.2 * 0.35 * (1 + MAX_CONTRAST) + 0.01  # gamma moves a middle grey by 0.2 x ln 2 x 0.5
    assert (centres - 0.5).abs().max() < most


def test_bytes_become_fractions(image: torch.Tensor) -> None:
    assert to_float(torch.tensor([[[0, 51, 255]]], dtype=torch.uint8)).flatten().tolist() == pytest.approx([0, 0.2, 1])
