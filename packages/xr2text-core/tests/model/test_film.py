"""Where a film lies in its square is read from the pixels, also after augmentation."""

import pytest
import torch

from xr2text_core.data.augment import augment, to_float
from xr2text_core.drawing.names import draw_image
from xr2text_core.model.film import film_box, film_places, spread_over_film, tokens_on_film
from xr2text_core.model.regions import RegionQueries, SeenFilm
from xr2text_core.report.vocabulary import REGIONS

SIDE = 64
WHOLE = torch.tensor([0.0, 0.0, 1.0, 1.0])
SHAPES = {"portrait": (64, 32), "landscape": (32, 64), "nearly square": (64, 59), "a line": (64, 1)}  # height, width

EXPOSURES = torch.cat([torch.full((27, 5), 0.5), torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3)], 1)


def fitted(height: int, width: int) -> torch.Tensor:
    """A film of the dark greys 1 to 39 on a black square, uint8 (1, H, H)."""
    square = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    film = torch.randint(1, 40, (height, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    square[0, top : top + height, left : left + width] = film
    return square


def box_of(height: int, width: int) -> torch.Tensor:
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return torch.tensor([[left, top, left + width, top + height]]) / SIDE


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_box_is_the_film_without_its_borders(shape: tuple[int, int]) -> None:
    torch.testing.assert_close(film_box(to_float(fitted(*shape))), box_of(*shape))


@pytest.mark.parametrize("side", [49, 64, 98, 384])
def test_a_film_that_fills_the_square_has_exactly_the_box_of_the_square(side: int) -> None:
    assert torch.equal(film_box(to_float(torch.full((2, side, side), 9, dtype=torch.uint8))), WHOLE.expand(2, 4))
    phantom = torch.from_numpy(draw_image("phantom:0/3", side))[None]
    assert torch.equal(film_box(to_float(phantom))[0], WHOLE)


def test_a_black_image_is_all_film() -> None:
    assert torch.equal(film_box(torch.zeros(1, 1, SIDE, SIDE))[0], WHOLE)


def test_black_lines_within_a_film_are_film() -> None:
    film = to_float(fitted(64, 32))
    film[..., 30:34] = 0
    film[:, :, 10:20] = 0
    torch.testing.assert_close(film_box(film), box_of(64, 32))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_exposure_changes_where_the_film_lies(shape: tuple[int, int]) -> None:
    boxes = film_box(augment(fitted(*shape).expand(27, -1, -1), EXPOSURES))
    assert (boxes - box_of(*shape)).abs().max() <= 1.01 / SIDE  # grid_sample may touch the next pixel by rounding


def test_a_dark_film_without_black_keeps_its_edges_at_every_exposure() -> None:
    film = torch.randint(5, 25, (1, SIDE, SIDE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(film_box(augment(film.expand(27, -1, -1), EXPOSURES)), WHOLE.expand(27, 4))


def test_the_box_moves_with_the_film() -> None:
    draws = torch.full((1, 8), 0.5)
    draws[0, 3], draws[0, 7] = 0.0, 1.0
    moved = film_box(augment(fitted(64, 32), draws)) - box_of(64, 32)
    torch.testing.assert_close(moved[0], torch.tensor([0.05, 0.0, 0.05, 0.0]), atol=1 / SIDE, rtol=0)


def test_nothing_about_the_film_is_read_on_the_host() -> None:
    """Tensors of the meta device hold no values: reading one raises, where a GPU would have to be waited for."""
    box = film_box(torch.zeros(2, 1, SIDE, SIDE, device="meta"))
    regions = RegionQueries(24, 32, num_heads=4, num_global=2).to("meta")
    film = SeenFilm(torch.zeros(2, 36, 24, device="meta"), torch.zeros(2, 36, 32, device="meta"), box)
    seen, _ = regions(film)
    assert seen.shape == (2, len(REGIONS) + 2, 32)


def test_a_token_that_sees_a_part_of_the_film_is_on_it() -> None:
    on_film = tokens_on_film(torch.tensor([[1 / 3, 0.0, 0.7, 1.0]]), 6).view(6, 6)
    assert on_film[0].tolist() == [False, False, True, True, True, False]
    assert (on_film == on_film[0]).all()


@pytest.mark.parametrize("place", [0.0, 0.124, 0.125, 0.5, 1 - 1 / 512])
def test_the_thinnest_film_is_seen_by_a_token(place: float) -> None:
    box = torch.tensor([[place, place, place + 1 / 512, place + 1 / 512]])
    assert tokens_on_film(box, 8).any()
    assert spread_over_film(torch.randn(1, 64, 4), box).isfinite().all()


def test_places_are_fractions_of_the_film() -> None:
    places = torch.tensor([[0.25, 0.0], [0.5, 0.5], [0.75, 1.0], [0.0, 0.5]])
    expected = torch.tensor([[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0], [-0.5, 0.5]]])
    assert torch.equal(film_places(places, torch.tensor([[0.25, 0.0, 0.75, 1.0]])), expected)


@pytest.mark.parametrize("side", [1, 6, 12, 49])
def test_values_on_the_whole_square_stay_exactly_where_they_are(side: int) -> None:
    values = torch.randn(2, side * side, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(spread_over_film(values, WHOLE.expand(2, 4)), values)


def test_a_slope_along_the_film_spans_the_whole_grid() -> None:
    """A value that grows evenly over a film of half the width grows evenly over all columns."""
    side = 16
    box = torch.tensor([[0.25, 0.0, 0.75, 1.0]])
    columns = ((torch.arange(side) + 0.5) / side - 0.25) / 0.5
    values = columns.repeat(side).view(1, -1, 1)
    spread = spread_over_film(values, box).view(side, side)
    expected = ((torch.arange(side) + 0.5) / side).expand(side, side)
    torch.testing.assert_close(spread[:, 1:-1], expected[:, 1:-1])
    torch.testing.assert_close(spread, expected, atol=0.5 / side, rtol=0)
