"""The model: its losses are exact, its cache changes nothing, it looks at the image, it returns from disk the same."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from xr2text_core.data.batches import IGNORED, Batch, BatchMaker
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.writing.generation import write_reports
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

TINY_SWIN = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
OTHER_BACKBONES = [("swin_tiny_patch4_window7_224", TINY_SWIN), ("test_vit", {}), ("test_resnet", {})]


@pytest.fixture
def model(tiny_model: XR2TextModel) -> XR2TextModel:
    return tiny_model.eval()


@pytest.fixture(scope="session")
def batch(batches: BatchMaker) -> Batch:
    """Four studies with reports of different lengths."""
    return batches.plain([0, 1, 2, 3])


def logits_of(model: XR2TextModel, batch: Batch) -> torch.Tensor:
    """Teacher forcing: (B, T, V)."""
    start = torch.full((len(batch), 1), model.config.decoder_start_token_id)
    told = batch.tokens.masked_fill(batch.tokens == IGNORED, model.config.pad_token_id)
    inputs = torch.cat([start, told[:, :-1]], 1)
    return model(pixel_values=batch.images, decoder_input_ids=inputs).logits


@torch.no_grad()
def test_an_untrained_model_knows_nothing_of_the_next_token(
    model: XR2TextModel, batch: Batch, tokenizer: ReportTokenizer
) -> None:
    loss = float(model(pixel_values=batch.images, labels=batch.tokens).loss)
    assert loss == pytest.approx(math.log(len(tokenizer)), rel=0.1)


@torch.no_grad()
def test_the_loss_is_the_mean_cross_entropy_of_the_labels_that_are_there(model: XR2TextModel, batch: Batch) -> None:
    output = model(pixel_values=batch.images, labels=batch.tokens)
    by_hand = functional.cross_entropy(logits_of(model, batch).flatten(0, 1), batch.tokens.flatten())
    assert float(output.loss) == pytest.approx(float(by_hand), rel=1e-5)
    assert float(output.token_loss_sum / output.num_tokens) == pytest.approx(float(by_hand), rel=1e-5)
    assert int(output.num_tokens) == batch.num_tokens
    assert output.logits is None


@torch.no_grad()
@pytest.mark.parametrize("upright", [True, False])
def test_a_film_of_two_to_one_gets_no_attention_on_its_borders(
    model: XR2TextModel, batch: Batch, upright: bool
) -> None:
    films = batch.films()
    side = films.shape[2]
    half = functional.interpolate(films, (side, side // 2) if upright else (side // 2, side), mode="area")
    borders = (side // 4, side // 4, 0, 0) if upright else (0, 0, side // 4, side // 4)
    attention = model.encoder(functional.pad(half, borders)).region_attention  # (B, Q, N)
    grid = math.isqrt(attention.shape[2])
    lines = attention.unflatten(2, (grid, grid)).sum(2 if upright else 3)  # (B, Q, G), across the narrow film
    assert (lines[..., : grid // 4] == 0).all() and (lines[..., -(grid // 4) :] == 0).all()
    assert (lines[..., grid // 4 : -(grid // 4)] > 0).all()


@torch.no_grad()
def test_padding_and_batch_mates_change_no_loss(model: XR2TextModel, batch: Batch) -> None:
    together = model(pixel_values=batch.images, labels=batch.tokens, finding_labels=batch.finding_labels)
    alone = [
        model(pixel_values=part.images, labels=part.tokens, finding_labels=part.finding_labels)
        for part in batch.parts(1)
    ]
    assert float(together.token_loss_sum) == pytest.approx(sum(float(each.token_loss_sum) for each in alone), rel=1e-5)
    assert float(together.finding_loss_sum) == pytest.approx(sum(float(e.finding_loss_sum) for e in alone), rel=1e-5)


@torch.no_grad()
def test_the_finding_loss_is_summed_over_findings_and_averaged_over_rows(model: XR2TextModel, batch: Batch) -> None:
    output = model(pixel_values=batch.images, labels=batch.tokens, finding_labels=batch.finding_labels)
    logits = model.get_encoder()(batch.images).finding_logits
    assert logits.shape == (4, len(REGIONS) + 1, len(FINDINGS))
    by_hand = functional.binary_cross_entropy(logits.sigmoid(), batch.finding_labels) * len(batch) * len(FINDINGS)
    assert float(output.finding_loss_sum) == pytest.approx(float(by_hand), rel=1e-4)


@torch.no_grad()
def test_the_cache_changes_no_logit(model: XR2TextModel, batch: Batch) -> None:
    tokens = batch.tokens[:2, :10]
    whole = model(pixel_values=batch.images[:2], decoder_input_ids=tokens).logits
    seen, past, steps = model.get_encoder()(batch.images[:2]), None, []
    for position in range(10):
        inputs = tokens[:, position : position + 1]
        output = model(encoder_outputs=seen, decoder_input_ids=inputs, past_key_values=past, use_cache=True)
        past = output.past_key_values
        steps.append(output.logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_beams", [1, 3])
@torch.no_grad()
def test_generation_with_the_cache_and_from_what_was_seen_is_the_plain_one(
    model: XR2TextModel, batch: Batch, num_beams: int
) -> None:
    options = {"max_new_tokens": 12, "num_beams": num_beams, "do_sample": False}
    seen = model.get_encoder()(batch.images)
    from_seen = model.generate(encoder_outputs=seen, use_cache=True, **options)
    from_images = model.generate(pixel_values=batch.images, use_cache=False, **options)
    assert torch.equal(from_seen, from_images)
    assert from_seen.shape[0] == len(batch)
    assert (from_seen[:, 0] == model.config.decoder_start_token_id).all()


@torch.no_grad()
def test_greedy_generation_takes_the_likeliest_token_each_time(model: XR2TextModel, batch: Batch) -> None:
    ids = model.generate(pixel_values=batch.images, max_new_tokens=8, num_beams=1, do_sample=False)
    best = model(pixel_values=batch.images, decoder_input_ids=ids[:, :-1]).logits.argmax(-1)
    is_open = (ids[:, 1:-1] != model.config.eos_token_id).cumprod(1).bool()  # up to the end mark
    assert torch.equal(best[:, 0], ids[:, 1])
    assert torch.equal(best[:, 1:][is_open], ids[:, 2:][is_open])


def test_one_report_is_written_for_each_image_and_none_depends_on_its_batch_mates(
    model: XR2TextModel, batch: Batch, tokenizer: ReportTokenizer
) -> None:
    reports = write_reports(model, tokenizer, model.get_encoder()(batch.images), max_tokens=12)
    alone = [write_reports(model, tokenizer, model.get_encoder()(image[None]), 12)[0] for image in batch.images]
    assert reports == alone


def test_a_few_studies_are_learned_by_heart_and_told_apart_by_their_image(
    tiny_model: XR2TextModel, batches: BatchMaker, tokenizer: ReportTokenizer
) -> None:
    batch = batches.plain([0, 1])
    assert batches.studies.references[0] != batches.studies.references[1]
    optimizer = torch.optim.AdamW(tiny_model.parameters(), lr=2e-3)
    torch.manual_seed(0)
    for _ in range(80):
        optimizer.zero_grad()
        tiny_model(pixel_values=batch.images, labels=batch.tokens).loss.backward()
        optimizer.step()
    tiny_model.eval()
    reports = write_reports(tiny_model, tokenizer, tiny_model.get_encoder()(batch.images), max_tokens=48)
    assert reports == tokenizer.decode([batches.studies.tokens[0], batches.studies.tokens[1]])


@torch.no_grad()
def test_what_the_decoder_says_depends_on_the_image(model: XR2TextModel, batch: Batch) -> None:
    tokens = batch.tokens[:1, :5]
    first, second, again = (
        model(pixel_values=batch.images[index : index + 1], decoder_input_ids=tokens).logits for index in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, second, atol=1e-4)


def test_every_parameter_is_reached_by_the_loss(tiny_model: XR2TextModel, batch: Batch) -> None:
    output = tiny_model(pixel_values=batch.images, labels=batch.tokens, finding_labels=batch.finding_labels)
    (output.loss + output.finding_loss_sum).backward()
    assert [name for name, parameter in tiny_model.named_parameters() if parameter.grad is None] == []


def test_the_output_layer_is_the_embedding(model: XR2TextModel) -> None:
    assert model.lm_head.weight is model.decoder.embed_tokens.weight


@torch.no_grad()
def test_a_saved_model_comes_back_the_same(model: XR2TextModel, batch: Batch, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    loaded = XR2TextModel.from_pretrained(tmp_path).eval()
    assert loaded.lm_head.weight is loaded.decoder.embed_tokens.weight
    assert torch.equal(logits_of(loaded, batch), logits_of(model, batch))
    options = {"max_new_tokens": 8, "num_beams": 2, "do_sample": False}
    assert torch.equal(
        loaded.generate(pixel_values=batch.images, **options), model.generate(pixel_values=batch.images, **options)
    )


@pytest.mark.parametrize(("name", "options"), OTHER_BACKBONES)
@torch.no_grad()
def test_a_model_around_another_backbone_comes_back_the_same(
    model: XR2TextModel, batch: Batch, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    config = XR2TextConfig(encoder=name, encoder_options=options, image_size=64, bart=model.config.bart)
    other = XR2TextModel(config).eval()
    other.save_pretrained(tmp_path)
    loaded = XR2TextModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(
        logits_of(loaded, batch), logits_of(other, batch), rtol=1e-4, atol=1e-5
    )  # memory layouts may differ


@pytest.mark.parametrize(("name", "options"), OTHER_BACKBONES)
def test_no_backbone_keeps_weights_that_no_loss_reaches(
    model: XR2TextModel, batch: Batch, name: str, options: dict[str, Any]
) -> None:
    config = XR2TextConfig(encoder=name, encoder_options=options, image_size=64, bart=model.config.bart)
    other = XR2TextModel(config)
    other(pixel_values=batch.images, labels=batch.tokens).loss.backward()
    encoder = other.get_encoder().images
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


class Answers(TorchDispatchMode):
    """Counts what a GPU would be waited for: numbers and sizes that depend on what it computes."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero)
        return func(*args, **(kwargs or {}))


def losses(model: XR2TextModel, batch: Batch, **options: Any) -> Any:
    torch.manual_seed(0)  # the same dropout
    sizes = {"num_labels": batch.num_tokens, **options}
    return model(pixel_values=batch.images, labels=batch.tokens, finding_labels=batch.finding_labels, **sizes)


def test_a_loss_and_its_gradients_wait_for_no_answer_of_a_gpu(tiny_model: XR2TextModel, batch: Batch) -> None:
    with Answers() as answers:
        output = losses(tiny_model, batch)
        (output.loss + output.finding_loss_sum).backward()
    assert answers.number == 0


def test_whole_reports_get_the_bits_of_the_decoders_own_forward(tiny_model: XR2TextModel, batch: Batch) -> None:
    everything = torch.ones(batch.tokens.shape)
    gradients = []
    for options in ({}, {"decoder_attention_mask": everything}):  # a mask takes the decoder's own way
        losses(tiny_model, batch, **options).loss.backward()
        gradients.append([parameter.grad for parameter in tiny_model.decoder.parameters()])
        tiny_model.zero_grad(set_to_none=True)
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@torch.no_grad()
def test_eager_attention_sees_no_later_token_either(model: XR2TextModel, batch: Batch) -> None:
    for layer in model.decoder.layers:
        layer.self_attn.out_proj.weight.mul_(100)  # else a model that has learned nothing hardly looks back
    expected = float(losses(model, batch).loss)
    model.set_attn_implementation("eager")
    assert float(losses(model, batch).loss) == pytest.approx(expected, rel=1e-5)


class OuterProducts(TorchDispatchMode):
    """Counts products over a single column, which PyTorch 2.14 gives to a kernel that needs a C compiler."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += func.overloadpacket is torch.ops.aten.bmm and args[0].shape[2] == 1
        return func(*args, **(kwargs or {}))


def test_a_single_study_makes_no_outer_product(tiny_model: XR2TextModel, batches: BatchMaker) -> None:
    study = batches.plain([0])
    with OuterProducts() as products:
        losses(tiny_model, study).loss.backward()
        tiny_model.generate(pixel_values=study.images, max_new_tokens=3, num_beams=2)
    assert products.number == 0
