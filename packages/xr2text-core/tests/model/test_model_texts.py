"""Texts beside the films: read where they are there, and as if nobody had asked where they are not."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.writing.generation import write_tokens
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import IGNORED

WITHOUT = [1, 5]  # studies of the batch without a question


@pytest.fixture
def model(asked_model: XR2TextModel) -> XR2TextModel:
    return asked_model.double().eval()


@pytest.fixture
def batch(asked: BatchMaker) -> Batch:
    """Six studies in double precision."""
    batch = asked.plain(range(6))
    return replace(batch, images=batch.images.double(), finding_labels=batch.finding_labels.double())


def losses(model: XR2TextModel, batch: Batch, seen: VisualOutput) -> torch.Tensor:
    """The token loss of each study."""
    parts = [
        VisualOutput(seen[0][row : row + 1], attention_mask=None if mask is None else mask[row : row + 1])
        for row in range(len(batch))
        for mask in [seen.attention_mask]
    ]
    each = [model(encoder_outputs=part, labels=batch.tokens[row : row + 1]).loss for row, part in enumerate(parts)]
    return torch.stack(each)


@torch.no_grad()
def test_the_decoder_reads_a_question_and_a_study_without_one_is_as_if_there_were_none(
    model: XR2TextModel, batch: Batch
) -> None:
    asked, silent = model.encoder(**batch.inputs), model.encoder(batch.images)
    assert silent.attention_mask is None
    assert torch.equal(asked.finding_logits, silent.finding_logits)
    same = torch.isclose(losses(model, batch, asked), losses(model, batch, silent), rtol=1e-9, atol=0)
    assert same.nonzero().flatten().tolist() == WITHOUT


@torch.no_grad()
@pytest.mark.parametrize("padding", [IGNORED, 1])
def test_padding_changes_nothing(model: XR2TextModel, batch: Batch, padding: int) -> None:
    assert model.config.pad_token_id == 1
    short, ids = model.encoder(**batch.inputs), batch.texts.question
    longer = functional.pad(ids.masked_fill(ids < 0, padding), (0, 7), value=padding)
    padded = model.encoder(batch.images, question_ids=longer)
    torch.testing.assert_close(losses(model, batch, padded), losses(model, batch, short), rtol=1e-10, atol=0)


@torch.no_grad()
def test_an_empty_text_is_no_text_whether_in_training_or_not(model: XR2TextModel, batch: Batch) -> None:
    silent = losses(model, batch, model.encoder(batch.images))
    for ids in (torch.full((6, 3), IGNORED), torch.zeros(6, 0, dtype=torch.long)):
        for _ in range(2):
            found = losses(model, batch, model.encoder(batch.images, question_ids=ids))
            torch.testing.assert_close(found, silent, rtol=1e-10, atol=0)
    assert losses(model, batch, model.encoder(**batch.inputs)).isfinite().all()


def test_the_words_of_a_question_are_those_of_the_decoder(model: XR2TextModel, batch: Batch) -> None:
    copy = deepcopy(model)
    for each in (model, copy):
        assert each.encoder.texts.shared[0] is each.decoder.embed_tokens
        assert not any("texts.shared" in name for name in each.state_dict())
    output = model.encoder(**batch.inputs)
    output[0][:, -3:].square().sum().backward()
    assert model.decoder.embed_tokens.weight.grad.norm() > 0
    model.set_input_embeddings(copy.decoder.embed_tokens)
    assert model.encoder.texts.shared[0] is copy.decoder.embed_tokens


@torch.no_grad()
def test_a_saved_model_reads_questions_as_before(model: XR2TextModel, batch: Batch, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    loaded = XR2TextModel.from_pretrained(tmp_path).double().eval()
    assert loaded.config.indication
    assert torch.equal(model.encoder(**batch.inputs)[0], loaded.encoder(**batch.inputs)[0])


@pytest.mark.parametrize("num_beams", [1, 3])
def test_generate_takes_questions(model: XR2TextModel, batch: Batch, num_beams: int) -> None:
    torch.manual_seed(1)
    for parameter in model.decoder.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.13)  # so that each study gets a report of its own
    seen = model.encoder(**batch.inputs)
    ours = write_tokens(model, seen.last_hidden_state, 12, num_beams, seen.attention_mask)
    ids = model.generate(**batch.inputs, max_new_tokens=12, num_beams=num_beams, do_sample=False)[:, 1:]
    assert torch.equal(functional.pad(ids, (0, 12 - ids.shape[1]), value=model.config.pad_token_id), ours)


def test_texts_that_a_model_does_not_read_or_not_that_long_are_refused(
    model: XR2TextModel, tiny_model: XR2TextModel, batch: Batch
) -> None:
    with pytest.raises(ValueError, match="reads no indication"):
        tiny_model(pixel_values=batch.images.float(), question_ids=batch.texts.question, labels=batch.tokens)
    with pytest.raises(ValueError, match="question_ids hold 49 tokens of a text; at most 48"):
        model.encoder(batch.images, question_ids=torch.ones(6, 49, dtype=torch.long))
