"""Both films of a study: a lateral one is read, a missing one is as if it had never been asked for."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.writing.generation import write_tokens
from xr2text_core.model.xr2text import XR2TextModel

LACKING = [0, 3]  # studies of the batch without a lateral film


@pytest.fixture
def model(two_film_model: XR2TextModel) -> XR2TextModel:
    return two_film_model.double().eval()


@pytest.fixture
def batch(two_films: BatchMaker) -> Batch:
    """Five studies in double precision; where a film is missing, its place holds NaN."""
    batch = two_films.plain(range(5))
    batch = replace(batch, images=batch.images.double(), finding_labels=batch.finding_labels.double())
    assert batch.is_film is not None and batch.is_film[:, 1].tolist() == [False, True, True, False, True]
    batch.images[~batch.is_film] = torch.nan
    return batch


def losses(model: XR2TextModel, batch: Batch, rows: list[int], **seen: Any) -> list[float]:
    """The token loss of each of these studies."""
    tokens = [batch.tokens[row : row + 1] for row in rows]
    memory = VisualOutput(**seen)
    parts = [
        VisualOutput(memory[0][row : row + 1], attention_mask=None if mask is None else mask[row : row + 1])
        for row in rows
        for mask in [memory.attention_mask]
    ]
    return [float(model(encoder_outputs=part, labels=each).loss) for part, each in zip(parts, tokens, strict=True)]


@torch.no_grad()
def test_a_missing_lateral_film_is_as_if_only_the_frontal_one_had_been_given(model: XR2TextModel, batch: Batch) -> None:
    both, alone = model.get_encoder()(batch.images, batch.is_film), model.get_encoder()(batch.images[:, 0])
    num_tokens = alone.last_hidden_state.shape[1]
    torch.testing.assert_close(both.last_hidden_state[LACKING, :num_tokens], alone.last_hidden_state[LACKING])
    for name in ("finding_logits", "routing"):
        torch.testing.assert_close(both[name][LACKING], alone[name][LACKING])
    torch.testing.assert_close(both.region_attention, alone.region_attention)  # that on the frontal film
    assert alone.attention_mask is None
    assert both.attention_mask[:, :num_tokens].all()
    assert both.attention_mask[:, num_tokens:].any(1).tolist() == batch.is_film[:, 1].tolist()
    ours, theirs = losses(model, batch, list(range(5)), **both), losses(model, batch, list(range(5)), **alone)
    assert [row for row in range(5) if ours[row] == pytest.approx(theirs[row], rel=1e-9)] == LACKING


@torch.no_grad()
def test_only_films_that_are_there_are_encoded_and_all_in_one_call(model: XR2TextModel, batch: Batch) -> None:
    sizes: list[int] = []
    hook = model.encoder.images.register_forward_hook(lambda _, inputs, output: sizes.append(len(inputs[0])))
    seen = model.get_encoder()(batch.images, batch.is_film)
    hook.remove()
    assert sizes == [8]
    features = torch.stack([model.encoder.images(batch.images[1:3, view]).mean(1) for view in (0, 1)], 1)
    torch.testing.assert_close(seen.film_features[1:3], features)
    assert (seen.film_features[LACKING, 1] == 0).all() and (seen.film_features[LACKING, 0] != 0).any()


@torch.no_grad()
def test_the_two_films_of_a_study_are_not_interchangeable(model: XR2TextModel, batch: Batch) -> None:
    whole = batch.images[1:3]
    first, second = (model.get_encoder()(images).last_hidden_state for images in (whole, whole.flip(1)))
    assert not torch.allclose(first.mean(1), second.mean(1))
    num_others = model.encoder.regions.queries.shape[0] + len(model.config.findings)
    num_tokens = (first.shape[1] - num_others) // 2
    torch.testing.assert_close(first[:, -num_tokens:] - model.encoder.lateral, second[:, -2 * num_tokens : -num_tokens])


@pytest.mark.parametrize("num_beams", [1, 3])
def test_generate_takes_both_films_and_their_mask(model: XR2TextModel, batch: Batch, num_beams: int) -> None:
    torch.manual_seed(1)
    for parameter in model.decoder.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.13)  # so that each study gets a report of its own
    seen = model.get_encoder()(batch.images, batch.is_film)
    ours = write_tokens(model, seen.last_hidden_state, 12, num_beams, seen.attention_mask)
    ids = model.generate(
        pixel_values=batch.images, film_mask=batch.is_film, max_new_tokens=12, num_beams=num_beams, do_sample=False
    )[:, 1:]
    assert torch.equal(functional.pad(ids, (0, 12 - ids.shape[1]), value=model.config.pad_token_id), ours)
    assert len({tuple(row) for row in ours.tolist()}) > 1


@torch.no_grad()
def test_regions_read_the_lateral_film_that_is_there(model: XR2TextModel, batch: Batch) -> None:
    both, alone = model.get_encoder()(batch.images, batch.is_film), model.get_encoder()(batch.images[:, 0])
    changed = ~torch.isclose(both.finding_logits[:, :-1], alone.finding_logits[:, :-1])  # (B, R, F)
    assert changed.any(2).all(1).tolist() == batch.is_film[:, 1].tolist()


def test_a_lateral_film_teaches_the_places_that_regions_have_on_it(model: XR2TextModel, batch: Batch) -> None:
    seen = model.get_encoder()(batch.images, batch.is_film)
    seen.finding_logits[:, :-1].square().sum().backward()
    places = model.encoder.regions.lateral
    assert all(parameter.grad.norm() > 0 for parameter in (places.place, places.template, places.refine.weight))
    model.zero_grad()
    seen = model.get_encoder()(batch.images[LACKING], batch.is_film[LACKING])
    seen.finding_logits[:, :-1].square().sum().backward()
    assert all(parameter.grad.norm() == 0 for parameter in places.parameters())


@torch.no_grad()
def test_a_model_whose_regions_saw_the_frontal_film_alone_reads_as_it_did(
    two_film_model: XR2TextModel, two_films: BatchMaker
) -> None:
    old = two_film_model.config.to_dict()
    del old["region_views"]
    model = XR2TextModel(XR2TextConfig.from_dict(old)).eval()
    state = two_film_model.state_dict()
    model.load_state_dict({name: tensor for name, tensor in state.items() if "regions.lateral" not in name})
    batch = two_films.plain(range(5))
    both, alone = model.get_encoder()(batch.images, batch.is_film), model.get_encoder()(batch.images[:, 0])
    torch.testing.assert_close(both.finding_logits[:, :-1], alone.finding_logits[:, :-1])


def test_films_that_a_model_does_not_know_are_refused(
    model: XR2TextModel, tiny_model: XR2TextModel, batch: Batch
) -> None:
    with pytest.raises(ValueError, match="2 films of a study; this model sees 1 at most"):
        tiny_model(pixel_values=batch.images.float(), labels=batch.tokens)
    with pytest.raises(ValueError, match="lacks the frontal film"):
        model(pixel_values=batch.images, film_mask=~batch.is_film, labels=batch.tokens)


def test_a_model_of_before_there_were_views_sees_the_frontal_film(tiny_model: XR2TextModel) -> None:
    old = tiny_model.config.to_dict()
    del old["views"]
    model = XR2TextModel(XR2TextConfig.from_dict(old))
    model.load_state_dict(tiny_model.state_dict())
    assert model.config.views == "frontal" and not any("lateral" in name for name in model.state_dict())
