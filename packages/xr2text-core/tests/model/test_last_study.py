"""The last study is read where there is one, compared region by region, and missing where it is missing."""

from dataclasses import replace

import pytest
import torch

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.model.last_study import change_loss
from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.changes.comparisons import CHANGES
from xr2text_core.report.statements import STATEMENTS, UNKNOWN
from xr2text_core.report.tokenizer import IGNORED


@pytest.fixture
def model(desk_model: XR2TextModel) -> XR2TextModel:
    return desk_model.double().eval()


@pytest.fixture
def batch(desk: BatchMaker) -> Batch:
    """Twelve studies in double precision; where a film is missing, its place holds NaN."""
    batch = desk.plain(range(12))
    texts = replace(batch.texts, prior_days=batch.texts.prior_days.double())
    batch = replace(batch, images=batch.images.double(), finding_labels=batch.finding_labels.double(), texts=texts)
    batch.images[~batch.is_film] = torch.nan
    return batch


def without_prior(batch: Batch) -> Batch:
    return replace(
        batch, images=batch.images[:, :2], is_film=batch.is_film[:, :2],
        texts=replace(batch.texts, prior_report=None, prior_days=None, prior_findings=None),
    )  # fmt: skip


def said(model: XR2TextModel, batch: Batch, seen: VisualOutput) -> torch.Tensor:
    """A number for what the decoder says of each study, in double precision."""
    parts = [
        VisualOutput(seen[0][row : row + 1], attention_mask=seen.attention_mask[row : row + 1])
        for row in range(len(batch))
    ]
    tokens = batch.tokens.clamp_min(0)
    logits = [
        model(encoder_outputs=part, decoder_input_ids=tokens[row : row + 1]).logits for row, part in enumerate(parts)
    ]
    return torch.stack([each.square().mean() for each in logits])


@torch.no_grad()
def test_a_study_without_an_earlier_one_is_as_if_there_were_no_place_for_it(model: XR2TextModel, batch: Batch) -> None:
    both, alone = model.encoder(**batch.inputs), model.encoder(**without_prior(batch).inputs)
    for name in ("finding_logits", "routing", "region_attention", "film_features", "thumbnails"):
        torch.testing.assert_close(both[name], alone[name])  # what is there now is read from the films of now
    has_prior = batch.is_film[:, 2]
    assert 0 < has_prior.sum() < 12
    same = torch.isclose(said(model, batch, both), said(model, batch, alone), rtol=1e-9, atol=0)
    assert torch.equal(same, ~has_prior)


@torch.no_grad()
def test_each_part_of_the_last_study_is_read(model: XR2TextModel, batch: Batch) -> None:
    rows = batch.is_film[:, 2] & (batch.texts.prior_report >= 0).any(1)
    whole = said(model, batch, model.encoder(**batch.inputs))[rows]
    other_film, other_mask = batch.images.clone(), batch.is_film.clone()
    other_film[:, 2] = batch.images[:, 0]
    other_mask[:, 2] = False
    changed = [
        {"pixel_values": other_film},
        {"film_mask": other_mask},
        {"prior_report_ids": batch.texts.prior_report.roll(1, 0)},
        {"prior_report_ids": None},
        {"prior_days": batch.texts.prior_days * 40 + 40},
        {"prior_findings": None},
    ]
    for inputs in changed:
        found = said(model, batch, model.encoder(**{**batch.inputs, **inputs}))[rows]
        assert not torch.isclose(found, whole, rtol=1e-12, atol=0).any(), list(inputs)


@torch.no_grad()
def test_a_last_study_without_its_film_is_not_read(model: XR2TextModel, batch: Batch) -> None:
    frontal, mask = batch.images[:, :2], batch.is_film[:, :2]
    lost = {"film_mask": torch.cat([mask, torch.zeros(12, 1, dtype=torch.bool)], 1)}
    expected = said(model, batch, model.encoder(**without_prior(batch).inputs))
    for films in (lost, {"pixel_values": frontal, "film_mask": mask}):
        torch.testing.assert_close(said(model, batch, model.encoder(**{**batch.inputs, **films})), expected)


@torch.no_grad()
def test_the_same_film_again_differs_in_no_region(model: XR2TextModel, batch: Batch) -> None:
    frontal = model.encoder._seen(batch.images[:, :1], model.encoder.images(batch.images[:, 0])[None], None)[0]
    tokens = model.encoder.regions.as_tokens(model.encoder.regions(frontal)[0])
    seen: list[torch.Tensor] = []
    hook = model.encoder.last_study.compare.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    twice = batch.images[:, [0, 0, 0]]
    model.encoder(twice, prior_report_ids=batch.texts.prior_report)
    hook.remove()
    width = tokens.shape[2]
    torch.testing.assert_close(seen[0][..., :width], tokens)
    assert seen[0][..., width:].abs().max() < 1e-9


@torch.no_grad()
def test_the_findings_of_both_films_tell_what_became_of_them(model: XR2TextModel) -> None:
    last_study, num_findings = model.encoder.last_study, len(model.config.findings)
    change = torch.zeros(1, len(last_study.queries), last_study.queries.shape[1], dtype=torch.float64)
    there, gone = ([[first, second]] * num_findings for first, second in ((4.0, 4.0), (-4.0, 4.0)))
    both, then = (last_study.logits(change, change.new_tensor([each]), None) for each in (there, gone))
    assert (both - then).abs().amax(-1).min() > 1e-6


def test_a_change_that_is_said_counts_four_times() -> None:
    logits = torch.zeros(1, 2, 1 + len(CHANGES))
    unsaid, said = (float(change_loss(logits, torch.tensor([[place, IGNORED]]))) for place in (0, 1))
    assert said == pytest.approx(4 * unsaid)


def test_any_time_between_two_studies_has_a_place(model: XR2TextModel) -> None:
    spans = model.encoder.last_study.since(torch.tensor([1e5, 1e9, torch.inf], dtype=torch.float64))
    assert torch.equal(spans[0], spans[1]) and torch.equal(spans[1], spans[2])


def test_what_became_of_findings_is_learned_and_told(desk_model: XR2TextModel, desk: BatchMaker) -> None:
    """Of four studies: what the model says of changes becomes what their reports say."""
    rows = [row for row in range(12) if desk.studies.priors.changes[row].any()][:4]
    batch = desk.plain(rows)
    optimizer = torch.optim.AdamW(desk_model.parameters(), lr=2e-3)
    torch.manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        logits = desk_model.encoder(**batch.inputs).change_logits
        change_loss(logits, batch.change_labels).backward()
        optimizer.step()
    found = desk_model.eval().encoder(**batch.inputs).change_logits.argmax(2)
    assert torch.equal(found, batch.change_labels)
    desk_model.zero_grad()
    output = desk_model(**batch.inputs, labels=batch.tokens)
    output.loss.backward()
    assert desk_model.encoder.last_study.changes.grad.norm() > 0


def test_what_the_last_report_says_of_a_finding_alone_can_tell_what_became_of_it(model: XR2TextModel) -> None:
    """Films that say nothing: "severe" then is "smaller" now, and "absent" then is "new"."""
    last_study, num_findings = model.encoder.last_study, len(model.config.findings)
    assert last_study is not None
    change = torch.zeros(2, len(last_study.queries), model.config.bart["d_model"], dtype=torch.double)
    seen = torch.zeros(2, num_findings, 2, dtype=torch.double)
    said = torch.tensor([[STATEMENTS.index("severe")], [STATEMENTS.index("absent")]]).expand(2, num_findings)
    wanted = torch.tensor([[1 + CHANGES.index("smaller")], [1 + CHANGES.index("new")]]).expand(2, num_findings)
    optimizer = torch.optim.AdamW(last_study.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        change_loss(last_study.logits(change, seen, said), wanted).backward()
        optimizer.step()
    assert torch.equal(last_study.logits(change, seen, said).argmax(2), wanted)
    unknown = torch.full_like(said, UNKNOWN)
    torch.testing.assert_close(last_study.logits(change, seen, None), last_study.logits(change, seen, unknown))


@torch.no_grad()
def test_what_became_of_a_finding_is_evidence_of_it_where_a_last_film_tells(model: XR2TextModel, batch: Batch) -> None:
    last_study = model.encoder.last_study
    assert last_study is not None
    before = model.encoder(**batch.inputs).finding_logits
    last_study.weight.fill_(0.5)
    seen = model.encoder(**batch.inputs)
    has_film = batch.is_film[:, 2]
    added = seen.finding_logits[:, -1] - before[:, -1]
    assert torch.equal(seen.finding_logits[:, :-1], before[:, :-1])  # regions tell of their own films alone
    assert (added[~has_film] == 0).all()
    there = seen.change_logits.softmax(2)[..., [1 + CHANGES.index(each) for each in CHANGES if each != "resolved"]].sum(
        2
    )
    torch.testing.assert_close(added[has_film], 0.5 * torch.logit(there)[has_film])


def test_films_learn_to_see_as_much_where_the_last_study_tells_already(model: XR2TextModel, batch: Batch) -> None:
    last_study, study = model.encoder.last_study, model.encoder.study
    assert last_study is not None and study is not None
    eye = [*study.films.findings.parameters()]

    def lesson(weight: float) -> list[torch.Tensor]:
        last_study.weight.data.fill_(weight)
        output = model(**batch.inputs, labels=batch.tokens, finding_labels=batch.finding_labels)
        return list(torch.autograd.grad(output.finding_loss_sum, [*eye, last_study.weight]))

    *unaided, of_weight = lesson(0.0)
    *aided, _ = lesson(5.0)
    torch.testing.assert_close(aided, unaided)
    assert all(each.abs().sum() > 0 for each in unaided)
    assert of_weight.abs().sum() > 0  # it is learned how much the last study tells


@torch.no_grad()
def test_days_are_told_apart_as_their_logarithm_is(model: XR2TextModel) -> None:
    days = torch.tensor([torch.nan, 0, 1, 2, 3, 300, 310, 9000, 1e6])
    since = model.encoder.last_study.since(days)
    kinds = [int(torch.unique(since[: row + 1], dim=0).shape[0]) for row in range(len(days))]
    assert kinds == [1, 2, 3, 3, 4, 5, 5, 6, 6]


def test_a_step_in_which_nobody_has_a_last_study_gives_every_weight_a_gradient(
    model: XR2TextModel, batch: Batch
) -> None:
    row = int((~batch.is_film[:, 2]).nonzero()[0])
    each = list(batch.parts(1))[row]
    output = model(**each.inputs, labels=each.tokens, finding_labels=each.finding_labels)
    (output.loss + output.finding_loss_sum).backward()
    parameters = dict(model.named_parameters())
    assert [name for name, each in parameters.items() if each.grad is None] == []
    of_prior = [each.grad for name, each in parameters.items() if "last_study" in name]
    assert of_prior and all(gradient.norm() == 0 for gradient in of_prior)


def test_what_a_model_does_not_read_is_refused(asked_model: XR2TextModel, batch: Batch) -> None:
    with pytest.raises(ValueError, match="reads no last study"):
        asked_model(pixel_values=batch.images[:, 0].float(), prior_days=batch.texts.prior_days, labels=batch.tokens)
    with pytest.raises(ValueError, match="3 films of a study; this model sees 1 at most"):
        asked_model(pixel_values=batch.images.float(), labels=batch.tokens)
