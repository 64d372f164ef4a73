"""Regions look where anatomy says, at first; and every token knows where it is."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from xr2text_core.model.film import film_box, tokens_on_film
from xr2text_core.model.regions import (
    CELLS,
    PRIORS,
    PRIORS_LATERAL,
    RegionHead,
    RegionQueries,
    SeenFilm,
    _matched,
    _template_at,
    position_encoding,
)
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

CHANNELS, WIDTH, SIDE = 24, 32, 16
FLAT = torch.zeros(1, SIDE * SIDE, CHANNELS), torch.zeros(1, SIDE * SIDE, WIDTH)
WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(3, 4)
BOXES = {
    "portrait": (0.25, 0.0, 0.75, 1.0),
    "landscape": (0.0, 0.25, 1.0, 0.75),
    "off centre": (0.3, 0.1, 0.9, 0.8),
}


@pytest.fixture
def regions() -> RegionQueries:
    torch.manual_seed(0)
    return RegionQueries(CHANNELS, WIDTH, num_heads=4, num_global=2)


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randn(3, SIDE * SIDE, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(3, SIDE * SIDE, CHANNELS, generator=torch.Generator().manual_seed(1))


def centres(attention: torch.Tensor) -> torch.Tensor:
    """Attention (Q, N) -> its mean place (Q, 2) as x, y in 0..1."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    square = attention.view(-1, SIDE, SIDE)  # (Q, y, x)
    return torch.stack([(square.sum(1) * line).sum(-1), (square.sum(2) * line).sum(-1)], -1)


def test_every_region_has_a_prior_inside_the_image() -> None:
    for priors in (PRIORS, PRIORS_LATERAL):
        assert tuple(priors) == REGIONS
        assert all(0 < value < 1 for gaussians in priors.values() for gaussian in gaussians for value in gaussian)


def test_the_patients_right_is_on_the_left_of_the_image() -> None:
    assert all(x < 0.5 for x, *_ in PRIORS["right lung"])
    assert all(x > 0.5 for x, *_ in PRIORS["left lung"])


@torch.no_grad()
def test_attention_is_a_share_of_one_over_the_image(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor
) -> None:
    seen, attention = regions(SeenFilm(features, tokens, WHOLE))
    assert (seen.shape, attention.shape) == ((3, 9, WIDTH), (3, 9, SIDE * SIDE))
    assert (attention >= 0).all()
    torch.testing.assert_close(attention.sum(-1), torch.ones(3, 9))


@torch.no_grad()
def test_an_untrained_region_looks_where_anatomy_says(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor
) -> None:
    _, attention = regions(SeenFilm(features, tokens, WHOLE))
    expected = torch.tensor([PRIORS[name] for name in REGIONS])[..., :2].mean(1)  # (R, 2)
    for each in attention:
        assert (centres(each[: len(REGIONS)]) - expected).norm(dim=-1).max() < 0.1


@torch.no_grad()
def test_on_a_lateral_film_the_spine_is_behind_the_heart_and_the_diaphragm_below(
    features: torch.Tensor, tokens: torch.Tensor
) -> None:
    regions = RegionQueries(CHANNELS, WIDTH, num_heads=4, num_global=2, knows_lateral=True)
    _, attention = regions.read(regions.lateral, SeenFilm(features, tokens, WHOLE))
    places = dict(zip(REGIONS, centres(attention[0]), strict=False))
    assert places["heart"][0] < places["mediastinum"][0] < places["spine"][0]
    assert max(places[name][1] for name in ("heart", "mediastinum", "spine")) < places["diaphragm"][1]


@torch.no_grad()
def test_global_queries_prefer_no_place(regions: RegionQueries) -> None:
    _, attention = regions(SeenFilm(*FLAT, WHOLE[:1]))
    assert attention[0, len(REGIONS) :].std() < 1e-6
    assert attention[0, : len(REGIONS)].std(-1).min() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("kind", BOXES)
def test_a_region_looks_at_the_same_place_of_the_film_however_it_is_fitted(regions: RegionQueries, kind: str) -> None:
    """The mean place of its attention, in fractions of the film: to a third of a token."""
    box = torch.tensor([BOXES[kind]])
    square, fitted = (regions(SeenFilm(*FLAT, each))[1][0] for each in (WHOLE[:1], box))
    on_film = (centres(fitted) - box[:, :2]) / (box[:, 2:] - box[:, :2])
    assert (on_film - centres(square)).abs().max() < 0.33 / SIDE / 0.5


@torch.no_grad()
@pytest.mark.parametrize("kind", BOXES)
def test_no_query_attends_to_the_border(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor, kind: str
) -> None:
    box = torch.tensor([BOXES[kind]]).expand(3, 4)
    _, attention = regions(SeenFilm(features, 9 * tokens, box))
    on_film = tokens_on_film(box, SIDE)
    assert 0.4 < on_film.float().mean() < 0.6
    assert (attention.masked_select(~on_film[:, None]) == 0).all()
    torch.testing.assert_close(attention.sum(-1), torch.ones(3, 9))


@torch.no_grad()
@pytest.mark.parametrize("kind", BOXES)
def test_what_the_border_holds_changes_no_query(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor, kind: str
) -> None:
    regions.refine.weight.normal_(std=1.0)
    box = torch.tensor([BOXES[kind]]).expand(3, 4)
    border = ~tokens_on_film(box, SIDE).unsqueeze(-1)
    seen, _ = regions(SeenFilm(features, tokens, box))
    again, _ = regions(SeenFilm(features.masked_fill(border, 7.0), tokens.masked_fill(border, -7.0), box))
    torch.testing.assert_close(seen, again)


@torch.no_grad()
def test_a_film_without_a_black_border_is_read_whole(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor
) -> None:
    box = film_box(torch.rand(3, 1, 49, 49, generator=torch.Generator().manual_seed(0)))
    found, whole = (regions(SeenFilm(features, tokens, each)) for each in (box, WHOLE))
    assert all(map(torch.equal, found, whole))


@torch.no_grad()
def test_films_of_several_shapes_in_a_batch_are_read_as_each_alone(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor
) -> None:
    boxes = torch.tensor(list(BOXES.values()))
    together, _ = regions(SeenFilm(features, tokens, boxes))
    alone = [regions(SeenFilm(features[i : i + 1], tokens[i : i + 1], boxes[i : i + 1]))[0] for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_image_refines_where_a_region_looks_once_that_is_learned(
    regions: RegionQueries, tokens: torch.Tensor
) -> None:
    with torch.no_grad():
        regions.refine.weight.normal_(std=1.0)
    torch.manual_seed(1)
    prior = regions._prior(regions, tokens, tokens_on_film(WHOLE, SIDE), WHOLE)
    assert not torch.allclose(prior[0], prior[1], atol=1e-3)
    prior.sum().backward()
    assert regions.place.grad is not None
    assert regions.place.grad.abs().min() > 0


@torch.no_grad()
def test_a_template_tells_the_same_mark_in_two_places_apart(regions: RegionQueries) -> None:
    tokens = torch.zeros(2, 36, WIDTH)
    features = torch.zeros(2, 36, CHANNELS)
    features[0, 7] = features[1, 28] = 5.0
    seen, _ = regions(SeenFilm(features, tokens, WHOLE[:2]))
    assert (seen[0] - seen[1])[len(REGIONS) :].norm(dim=-1).min() > 0.1


class BatchedProducts(TorchDispatchMode):
    """Notes the inner dimension of every batched matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.inner: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket is torch.ops.aten.bmm:
            self.inner.append(args[0].shape[-1])
        return func(*args, **(kwargs or {}))


def test_no_product_of_a_single_study_is_an_outer_product(
    regions: RegionQueries, features: torch.Tensor, tokens: torch.Tensor
) -> None:
    """PyTorch gives batched outer products on a GPU to a kernel that needs a C compiler, which a user may not have."""
    with BatchedProducts() as products:
        seen, _ = regions(SeenFilm(features[:1].requires_grad_(), tokens[:1], WHOLE[:1]))
        seen.sum().backward()
    assert products.inner and min(products.inner) > 1


@torch.no_grad()
def test_each_value_counts_by_the_template_at_its_place(regions: RegionQueries, features: torch.Tensor) -> None:
    values = regions.value(features)
    template = _template_at(regions.template, SIDE * SIDE)
    expected = torch.einsum("bnd,qdn->bqd", values, template)
    torch.testing.assert_close(_matched(values, template), expected)


@torch.no_grad()
def test_templates_sum_to_the_same_on_a_finer_grid(regions: RegionQueries) -> None:
    coarse, fine = (_template_at(regions.template, side * side).sum(-1) for side in (CELLS, 4 * CELLS))
    torch.testing.assert_close(coarse, fine, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_head_says_findings_of_each_region_and_of_the_whole_image() -> None:
    head = RegionHead(WIDTH, len(FINDINGS))
    routed, logits, weight = head(torch.randn(2, len(REGIONS) + 2, WIDTH), len(REGIONS))
    assert routed.shape == (2, len(REGIONS) + 2, WIDTH)
    assert logits.shape == (2, len(REGIONS) + 1, len(FINDINGS))
    assert weight.shape == (2, len(REGIONS))
    assert ((weight > 0) & (weight < 1)).all()


@torch.no_grad()
def test_a_region_that_is_routed_away_is_not_heard() -> None:
    head = RegionHead(WIDTH, len(FINDINGS))
    head.routing.weight.zero_()
    head.routing.bias.fill_(-30.0)
    routed, _, _ = head(torch.randn(2, len(REGIONS) + 2, WIDTH), len(REGIONS))
    assert routed[:, : len(REGIONS)].abs().max() < 1e-9
    assert routed[:, len(REGIONS) :].abs().max() > 0.1


@pytest.mark.parametrize("width", [32, 128, 130, 768])
def test_every_place_has_its_own_encoding_of_the_same_length(width: int) -> None:
    encoding = position_encoding(SIDE * SIDE, width, torch.device("cpu"))
    assert encoding.shape == (SIDE * SIDE, width)
    torch.testing.assert_close(encoding.square().mean(1), torch.full((SIDE * SIDE,), 0.5 * (width // 4 * 4) / width))
    distances = torch.cdist(encoding, encoding) + 99 * torch.eye(SIDE * SIDE)
    assert distances.min() > 0.1


def test_a_place_has_the_same_encoding_whatever_the_number_of_tokens() -> None:
    coarse = position_encoding(1, 32, torch.device("cpu"))  # the centre of the image
    fine = position_encoding(9, 32, torch.device("cpu"))
    torch.testing.assert_close(coarse[0], fine[4])
