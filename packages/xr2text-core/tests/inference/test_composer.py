"""The composer obeys, prefers what fits the study, and a bank survives its file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xr2text_core.drawing.scene import sample_scene
from xr2text_core.drawing.writing import write_report
from xr2text_core.inference import composer
from xr2text_core.inference.composer import Composer, ReportBank, bank_indices, compose_baseline, kept_bank
from xr2text_core.report.changes.wording import ChangeWording
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS

REPORTS = [write_report(sample_scene(seed=7, number=number)).findings for number in range(200)]
BANK = ReportBank.of(REPORTS)
KNOWN = np.array([finding in BANK.phrases.of_finding for finding in FINDINGS])


def random_findings(count: int, share: float = 0.2) -> NDArray[np.bool_]:
    return (np.random.default_rng(1).random((count, len(FINDINGS))) < share) & KNOWN


def probabilities(findings: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(findings, 0.8, 0.05)


def row(*names: str) -> NDArray[np.bool_]:
    return np.array([[finding in names for finding in FINDINGS]])


def asserted(texts: list[str]) -> list[list[bool]]:
    return [[finding in label_report(text).present for finding in FINDINGS] for text in texts]


def test_reports_assert_exactly_the_decided_findings() -> None:
    findings = random_findings(200)
    np.testing.assert_array_equal(asserted(Composer(BANK).write(findings, probabilities(findings))), findings)


def test_the_baseline_asserts_exactly_the_decided_findings() -> None:
    findings = random_findings(200)
    np.testing.assert_array_equal(asserted(compose_baseline(BANK.phrases, REPORTS[0], findings)), findings)


def test_the_same_input_gives_the_same_reports_in_any_order() -> None:
    findings = random_findings(20)
    texts = Composer(ReportBank.of(REPORTS)).write(findings, probabilities(findings))
    assert Composer(BANK).write(findings[::-1], probabilities(findings)[::-1]) == texts[::-1]


def test_reports_do_not_depend_on_how_many_texts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = random_findings(20)
    texts = Composer(BANK).write(findings, probabilities(findings))
    monkeypatch.setattr(composer, "MAX_CACHED", 1)
    assert Composer(BANK).write(findings, probabilities(findings)) == texts


def test_a_bank_survives_its_file() -> None:
    again = ReportBank.from_json(BANK.to_json())
    assert (again.texts, again.typical, again.phrases) == (BANK.texts, BANK.typical, BANK.phrases)
    np.testing.assert_array_equal(again.labels, BANK.labels)
    assert BANK.labels.shape == (len(REPORTS), len(FINDINGS)) and again.changes is None
    changes = ChangeWording({"new": ", which is new."}, {"edema": ("The edema has resolved.", 0.5)})
    assert ReportBank.from_json(replace(BANK, changes=changes).to_json()).changes == changes
    before_changes_were_worded = json.loads(BANK.to_json())
    del before_changes_were_worded["changes"]
    assert ReportBank.from_json(json.dumps(before_changes_were_worded)).changes is None


def test_a_bank_is_chosen_once_and_again_when_its_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["", *REPORTS]
    chosen = kept_bank(texts, tmp_path)
    assert (chosen.texts, chosen.typical) == (BANK.texts, BANK.typical)
    (path,) = tmp_path.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(composer, "Similarity", None)  # nothing is compared
        again = kept_bank(texts, tmp_path)
    assert (again.texts, again.typical) == (BANK.texts, BANK.typical)
    path.write_bytes(path.read_bytes()[:-1])
    assert kept_bank(texts, tmp_path).typical == BANK.typical


def test_a_composer_that_has_written_nothing_has_compared_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composer, "Similarity", None)
    Composer(BANK)


def test_typical_reports_differ_and_cover_the_kinds_of_report() -> None:
    frequent, rare = "The lungs are clear.", "Severe scoliosis of the spine is seen."
    bank = ReportBank.of([frequent] * 9 + [rare])
    assert [bank.texts[index] for index in bank.typical] == [frequent, rare]
    assert len(set(BANK.typical)) == len(BANK.typical) == composer.NUM_TYPICAL


def test_a_large_collection_is_spread_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composer, "MAX_REPORTS", 3)
    texts = ["one", " ", "two", "three", "four", "five"]
    assert ReportBank.of(texts).texts == ("one", "three", "five")
    assert bank_indices(texts) == [0, 3, 5]


def test_wording_moves_the_report_towards_the_reports_it_names() -> None:
    bank = ReportBank.of(["Clear lungs and normal heart."] * 3 + ["No focal consolidation or effusion is identified."])
    nothing = row()
    wording = np.array([[-1.0, -1.0, -1.0, 3.0]])
    writer = Composer(bank)
    assert writer.write(nothing, probabilities(nothing)) == [bank.texts[0]]
    assert writer.write(nothing, probabilities(nothing), wording) == [bank.texts[3]]


def test_a_draft_competes_after_it_was_made_to_obey() -> None:
    bank = ReportBank.of(["Clear lungs."] * 2 + ["No consolidation, effusion or pneumothorax is seen today."] * 3)
    nothing = row()
    draft = "Clear lungs. No consolidation, effusion or pneumothorax is seen today. The heart is enlarged."
    texts = Composer(bank).write(nothing, probabilities(nothing), drafts=[[draft]])
    assert not label_report(texts[0]).present
    assert Composer(ReportBank.of(["Cardiomegaly."])).write(nothing, probabilities(nothing), drafts=[[draft]]) == [
        "Clear lungs. No consolidation, effusion or pneumothorax is seen today."
    ]


def test_a_finding_that_no_sentence_asserts_is_left_out() -> None:
    bank = ReportBank.of(["The heart is enlarged.", "Lungs are clear. Heart size is normal."])
    wanted = row("cardiomegaly", "scoliosis")
    for texts in (Composer(bank).write(wanted, probabilities(wanted)), compose_baseline(bank.phrases, "", wanted)):
        assert label_report(texts[0]).present == {"cardiomegaly"}


def test_a_bank_of_one_report_writes_and_an_empty_one_is_an_error() -> None:
    wanted = row("scoliosis")
    assert Composer(ReportBank.of(["Lungs are clear."])).write(wanted, probabilities(wanted)) == ["Lungs are clear."]
    with pytest.raises(ValueError, match="at least one report with text"):
        ReportBank.of([" "])


def test_shapes_that_do_not_fit_are_named() -> None:
    wanted = row("scoliosis")
    with pytest.raises(ValueError, match="probability for each finding"):
        Composer(BANK).write(wanted, probabilities(wanted)[:, 1:])
    with pytest.raises(ValueError, match="wording of shape"):
        Composer(BANK).write(wanted, probabilities(wanted), np.zeros((1, 3)))
