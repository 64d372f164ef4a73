"""Edited reports say exactly the chosen findings, in sentences of the training reports."""

import numpy as np
import pytest

from xr2text_core.drawing.scene import sample_scene
from xr2text_core.drawing.writing import write_report
from xr2text_core.report.editing import Phrases, edited, nearest, sentences, typical_phrases
from xr2text_core.report.labeler import label_report

REPORTS = [write_report(sample_scene(seed=5, number=number)).findings for number in range(400)]
PHRASES = typical_phrases(REPORTS)
KNOWN = sorted(PHRASES.of_finding)
MADE_UP = typical_phrases(
    [
        "The lungs are clear. The heart is enlarged. No effusion.",
        "Small left pleural effusion. The heart is enlarged.",
        "Heart size is normal. A nodule is seen in the right lung.",
    ]
)


def texts_of(report: str) -> list[str]:
    return [sentence.text for sentence in sentences(report)]


def test_phantom_reports_obey_random_findings_exactly() -> None:
    generator = np.random.default_rng(3)
    for _ in range(200):
        wanted = {finding for finding in KNOWN if generator.random() < 0.25}
        report, choice = REPORTS[generator.integers(len(REPORTS))], int(generator.integers(6))
        for append in (False, True):
            assert label_report(edited(report, wanted, PHRASES, choice, append)).present == wanted


def test_a_report_that_obeys_already_keeps_its_words() -> None:
    for report in REPORTS[:100]:
        labels = label_report(report)
        if not labels.uncertain and not labels.present:
            assert edited(report, (), PHRASES) == " ".join(report.split())


def test_contradicting_sentences_go_and_typical_ones_stand_at_their_place() -> None:
    report = "Heart size is normal. There is no pneumothorax. Possible pneumonia."
    assert edited(report, {"cardiomegaly"}, MADE_UP) == "There is no pneumothorax. The heart is enlarged."
    effusion = edited(report, {"pleural effusion"}, MADE_UP)
    assert effusion == "Small left pleural effusion. Heart size is normal. There is no pneumothorax."
    assert edited(report, {"pleural effusion"}, MADE_UP, append=True).endswith("Small left pleural effusion.")


def test_lungs_with_a_finding_are_not_called_clear() -> None:
    report = "The lungs are clear. Heart size is normal."
    assert "clear" not in edited(report, {"lung lesion"}, MADE_UP)
    assert "clear" in edited(report, {"pleural effusion"}, MADE_UP)


def test_a_finding_that_no_sentence_asserts_is_left_out() -> None:
    assert label_report(edited("Lungs are clear.", {"cardiomegaly", "scoliosis"}, MADE_UP)).present == {"cardiomegaly"}


@pytest.mark.parametrize("wanted", [set(), {"cardiomegaly"}, {"scoliosis"}])
def test_a_text_is_empty_only_where_there_is_no_sentence(wanted: set[str]) -> None:
    assert edited("There is a fracture.", wanted, Phrases({}, ())) == "There is a fracture."
    assert edited("", wanted, MADE_UP)
    assert edited("", wanted, Phrases({}, ())) == ""


def test_a_report_with_nothing_left_becomes_a_normal_sentence() -> None:
    text = edited("There is a rib fracture.", (), MADE_UP)
    assert text and not label_report(text).present


def test_sentences_are_separated_as_the_labeler_does() -> None:
    assert texts_of("1. Lungs are clear\n\nHeart: 1.5 cm larger. 2. No effusion") == [
        "Lungs are clear.",
        "Heart: 1.5 cm larger.",
        "No effusion.",
    ]
    for report in REPORTS[:50]:
        assert texts_of(" ".join(texts_of(report))) == texts_of(report)


def test_phrases_assert_one_finding_alone_and_the_most_central_comes_first() -> None:
    for finding, phrases in PHRASES.of_finding.items():
        assert 1 <= len(phrases) <= 6
        for phrase in phrases:
            assert (phrase.sentence.present, phrase.sentence.uncertain) == ({finding}, set())
            assert 0 <= phrase.place <= 1
    assert not any(phrase.sentence.present for phrase in PHRASES.normal)
    reports = [
        "The heart is enlarged.",
        "The heart is now enlarged.",
        "The heart is large.",
        "Big cardiac shadow, heart.",
    ]
    assert typical_phrases(reports).of_finding["cardiomegaly"][0].sentence.text == "The heart is enlarged."


def test_measures_comparisons_and_long_sentences_are_no_phrases_unless_there_are_no_others() -> None:
    particular = [
        "The heart is unchanged and enlarged.",
        "The heart is enlarged by 3 cm.",
        "The heart is enlarged in this large film that was taken today.",
    ]
    for reports, texts in (([*particular, "Cardiomegaly."], ["Cardiomegaly."]), (particular[:1], particular[:1])):
        phrases = typical_phrases(reports).of_finding["cardiomegaly"]
        assert [phrase.sentence.text for phrase in phrases] == texts


def test_fragments_are_no_phrases_where_sentences_begin_with_capitals() -> None:
    reports = ["heart is enlarged.", "heart is enlarged.", "Heart is enlarged."]
    for few, text in ((reports, "Heart is enlarged."), (reports[:2], "heart is enlarged.")):
        phrases = typical_phrases(few).of_finding["cardiomegaly"]
        assert [phrase.sentence.text for phrase in phrases] == [text]


def test_reports_in_lower_case_tokens_obey_too() -> None:
    reports = [" ".join(report.lower().replace(".", " .").split()) for report in REPORTS]
    phrases = typical_phrases(reports)
    for finding in phrases.of_finding:
        assert label_report(edited(reports[0], {finding}, phrases)).present == {finding}


def test_the_nearest_texts_have_the_fewest_wrong_findings() -> None:
    texts = ["The heart is enlarged.", "Lungs are clear.", "Cardiomegaly and left pleural effusion."]
    assert nearest(texts, {"cardiomegaly", "pleural effusion"}) == texts[2:]
    assert nearest(texts, {"scoliosis"}) == [texts[1]]
