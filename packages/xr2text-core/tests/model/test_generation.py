"""Reports are those of transformers' `generate`, whose searches are written anew here to be faster."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from casts import Casts
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.data.batches import BatchMaker, ReadyStudies
from xr2text_core.inference import evaluation
from xr2text_core.model.build import build_model
from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.writing.generation import write_reports, write_tokens
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer

STUDIES, VISUAL_TOKENS, MAX_TOKENS = 24, 20, 24


@pytest.fixture
def talkative(tiny_model: XR2TextModel) -> Callable[[int], XR2TextModel]:
    """Models with weights so large that each study gets a report of its own, some soon at an end and some never.

    In double precision, where rounding decides between no two tokens.
    """

    def make(seed: int) -> XR2TextModel:
        torch.manual_seed(seed)
        for parameter in tiny_model.decoder.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.13)
        tiny_model.lm_head = nn.Linear(128, 60, bias=False)
        tiny_model.config.vocab_size = 60
        nn.init.normal_(tiny_model.lm_head.weight, std=0.2)
        tiny_model.lm_head.weight.data[tiny_model.config.eos_token_id] *= 2
        return tiny_model.double().eval()

    return make


@pytest.fixture
def memory() -> Tensor:
    """What an encoder might have seen: (B, S, D)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(STUDIES, VISUAL_TOKENS, 128, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def learned(batches: BatchMaker, tokenizer: ReportTokenizer) -> XR2TextModel:
    """A model that knows four studies by heart."""
    torch.manual_seed(0)
    model = build_model("phantom", "phantom", "none", 64, 48, tokenizer)
    batch = batches.plain([0, 1, 2, 3])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(80):
        optimizer.zero_grad()
        model(pixel_values=batch.images, labels=batch.tokens).loss.backward()
        optimizer.step()
    return model.eval()


def generated(
    model: XR2TextModel, memory: Tensor, max_tokens: int, num_beams: int, mask: Tensor | None = None
) -> Tensor:
    """What transformers writes: (B, T), padded, without the start token."""
    ids = model.generate(
        encoder_outputs=VisualOutput(last_hidden_state=memory, attention_mask=mask),
        max_new_tokens=max_tokens,
        num_beams=num_beams,
        do_sample=False,
        use_cache=True,
    )[:, 1:]
    return functional.pad(ids, (0, max_tokens - ids.shape[1]), value=model.config.pad_token_id)


def lengths(model: XR2TextModel, ids: Tensor) -> list[int]:
    return (ids != model.config.pad_token_id).sum(1).tolist()


def rows_decoded(model: XR2TextModel, memory: Tensor, num_beams: int) -> list[int]:
    """Studies that are decoded in each step, for each one token of each beam."""
    shapes: list[torch.Size] = []
    hook = model.lm_head.register_forward_hook(lambda _, inputs, output: shapes.append(output.shape))
    write_tokens(model, memory, MAX_TOKENS, num_beams)
    hook.remove()
    assert {shape[1] for shape in shapes} == {num_beams}
    return [shape[0] for shape in shapes]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("num_beams", [1, 2, 4])
def test_reports_are_those_of_generate(
    talkative: Callable[[int], XR2TextModel], memory: Tensor, num_beams: int, seed: int
) -> None:
    model = talkative(seed)
    ids = write_tokens(model, memory, MAX_TOKENS, num_beams)
    assert 0 < min(lengths(model, ids)) < MAX_TOKENS  # so there was a study to leave out on the way
    assert torch.equal(ids, generated(model, memory, MAX_TOKENS, num_beams))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("num_beams", [1, 2, 4])
def test_reports_are_those_of_generate_where_encoder_states_are_masked(
    talkative: Callable[[int], XR2TextModel], memory: Tensor, num_beams: int, seed: int
) -> None:
    model, mask = talkative(seed), torch.ones(STUDIES, VISUAL_TOKENS, dtype=torch.bool)
    mask[::3, VISUAL_TOKENS // 2 :] = False
    before = mask.clone()
    ids = write_tokens(model, memory, MAX_TOKENS, num_beams, mask)
    assert torch.equal(ids, generated(model, memory, MAX_TOKENS, num_beams, mask)) and torch.equal(mask, before)
    short = write_tokens(model, memory[::3, : VISUAL_TOKENS // 2], MAX_TOKENS, num_beams)
    assert torch.equal(ids[::3], short)  # as if the masked ones did not exist
    assert not torch.equal(ids, write_tokens(model, memory, MAX_TOKENS, num_beams))


@pytest.mark.parametrize("max_tokens", [1, 2])
@pytest.mark.parametrize("num_beams", [1, 4])
def test_the_shortest_reports_are_those_of_generate(
    talkative: Callable[[int], XR2TextModel], memory: Tensor, num_beams: int, max_tokens: int
) -> None:
    model = talkative(0)
    expected = generated(model, memory, max_tokens, num_beams)
    assert torch.equal(write_tokens(model, memory, max_tokens, num_beams), expected)


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_learned_reports_are_those_of_generate_in_the_precision_of_training(
    learned: XR2TextModel, batches: BatchMaker, tokenizer: ReportTokenizer, precision: torch.dtype, num_beams: int
) -> None:
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        with torch.inference_mode():
            seen = learned.get_encoder()(batches.plain([0, 1, 2, 3]).images)
        reports = write_reports(learned, tokenizer, seen, 48, num_beams)
        expected = generated(learned, seen.last_hidden_state, 48, num_beams)
    assert reports == tokenizer.decode(expected.tolist())
    assert reports == tokenizer.decode(list(batches.studies.tokens)[:4])


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_weight_is_cast_to_16_bits_once_and_not_for_every_token(tiny_model: XR2TextModel, num_beams: int) -> None:
    memory = torch.randn(2, VISUAL_TOKENS, 128)
    with torch.autocast("cpu", torch.bfloat16), Casts() as casts:
        write_tokens(tiny_model.eval(), memory, MAX_TOKENS, num_beams)
    weights = [casts.counts[each.data_ptr()] for each in tiny_model.decoder.parameters()]
    assert max(weights) == 1


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_study_costs_nothing_more_once_its_report_is_done(
    talkative: Callable[[int], XR2TextModel], memory: Tensor, num_beams: int
) -> None:
    model = talkative(2)
    together = rows_decoded(model, memory, num_beams)
    steps_alone = [len(rows_decoded(model, study[None], num_beams)) for study in memory]
    assert together == [sum(steps > position for steps in steps_alone) for position in range(max(steps_alone))]
    assert together[0] == STUDIES > together[-1]


def test_what_the_encoder_saw_is_read_once_and_for_no_beam_again(
    talkative: Callable[[int], XR2TextModel], memory: Tensor
) -> None:
    model, shapes, before = talkative(0), [], memory.clone()
    for layer in model.decoder.layers:
        layer.encoder_attn.k_proj.register_forward_hook(lambda _, inputs, output: shapes.append(output.shape))
    write_tokens(model, memory, MAX_TOKENS, num_beams=4)
    assert shapes == [memory.shape] * len(model.decoder.layers)
    assert torch.equal(memory, before)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_neither_training_mode_nor_gradient_checkpointing_changes_a_report(
    talkative: Callable[[int], XR2TextModel], memory: Tensor, num_beams: int
) -> None:
    model = talkative(2)
    ids, rows = write_tokens(model, memory, MAX_TOKENS, num_beams), rows_decoded(model, memory, num_beams)
    getattr(model.decoder, "activation_checkpointing_enable", model.decoder.gradient_checkpointing_enable)()  # older
    model.train()
    assert torch.equal(write_tokens(model, memory, MAX_TOKENS, num_beams), ids)
    assert rows_decoded(model, memory, num_beams) == rows  # one token at a time: the cache is on


def test_each_candidate_stands_beside_its_reference_whatever_the_order_of_writing(
    learned: XR2TextModel, batches: BatchMaker, tokenizer: ReportTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 3)
    studies = batches.studies
    given = {field.name: getattr(studies, field.name) for field in fields(studies)}
    four = ReadyStudies(**{name: [each[row] for row in range(4)] for name, each in given.items() if each is not None})
    images_seen: list[int] = []
    hook = learned.encoder.register_forward_hook(
        lambda _, inputs, options, output: images_seen.append(len(options["pixel_values"])), with_kwargs=True
    )
    result = evaluation.evaluate(learned, tokenizer, replace(batches, studies=four), 48, "clean-full", num_beams=2)
    hook.remove()
    assert result is not None and result.candidates == tokenizer.decode(four.tokens)
    assert images_seen == [3, 1]  # once for the loss and for all beams
    assert result.loss < 0.5
