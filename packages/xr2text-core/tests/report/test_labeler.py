"""The labeler reads the sentences of golden_labels.csv; every mistake found becomes a row there."""

import csv
import random
from pathlib import Path

import pytest

from xr2text_core.report.labeler import Mention, ReportLabels, label_report
from xr2text_core.report.phrases import FINDING_PHRASES
from xr2text_core.report.places import FINDING_REGION
from xr2text_core.report.terms import expand, lexicon
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

GOLDEN = Path(__file__).with_name("golden_labels.csv")


def golden_rows() -> list[dict[str, str]]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", golden_rows(), ids=lambda row: row["text"][:60])
def test_golden_sentence_is_read_as_written(row: dict[str, str]) -> None:
    labels = label_report(row["text"])
    read = {
        "text": row["text"],
        "present": ";".join(sorted(labels.present)),
        "uncertain": ";".join(sorted(labels.uncertain)),
        "absent": ";".join(sorted(labels.absent)),
        "regions": ";".join(sorted(labels.regions)),
        "severity": labels.severity or "",
    }
    assert read == row


def test_side_is_kept_beside_the_region() -> None:
    assert label_report("Small left pleural effusion.").mentions == (
        Mention("pleural effusion", "present", ("costophrenic angles",), "left", "mild"),
    )


def test_side_of_one_finding_does_not_leak_to_another() -> None:
    mentions = label_report("Right upper lobe nodule and left lower lobe atelectasis.").mentions
    assert [(m.finding, m.side) for m in mentions] == [("lung lesion", "right"), ("atelectasis", "left")]


def test_finding_named_without_side_lies_where_the_other_sentence_put_it() -> None:
    assert label_report("Consolidation in the left lower lobe. Impression: consolidation.").regions == {"left lung"}


def test_negation_never_leaves_its_sentence() -> None:
    assert label_report("No pneumothorax. Effusion on the right.").present == {"pleural effusion"}


@pytest.mark.parametrize(
    "text",
    [
        "No pneumothorax.2. Cardiomegaly.",
        "No pneumothorax\n- Cardiomegaly",
        "no pneumothorax . cardiomegaly .",
        "No pneumothorax; cardiomegaly",
        "No pneumothorax of 2.5 cm any more. Cardiomegaly.",
    ],
)
def test_sentence_ends_at_stops_and_list_marks_but_not_inside_numbers(text: str) -> None:
    labels = label_report(text)
    assert (labels.present, labels.absent) == ({"cardiomegaly"}, {"pneumothorax"})


def test_wrapped_line_is_one_sentence() -> None:
    assert label_report("No pneumothorax or\neffusion.").absent == {"pneumothorax", "pleural effusion"}


def test_present_beats_uncertain_beats_absent() -> None:
    labels = label_report("No pneumonia. Possible pneumonia.")
    assert (labels.present, labels.uncertain, labels.absent) == (frozenset(), {"pneumonia"}, frozenset())
    assert label_report("Possible pneumonia. Right pneumonia.").present == {"pneumonia"}


@pytest.mark.parametrize(
    ("text", "is_normal"),
    [
        ("", True),
        ("Heart size is normal. Lungs are clear.", True),
        ("Right PICC tip in the SVC. Lungs are clear.", True),
        ("Possible left effusion.", False),
        ("Mild degenerative changes of the spine.", False),
        ("No effusion. Calcified granuloma.", False),
    ],
)
def test_normal_means_nothing_present_or_uncertain_but_devices(text: str, is_normal: bool) -> None:
    assert label_report(text).is_normal is is_normal


def test_severity_of_a_report_is_the_worst_of_what_is_present() -> None:
    assert label_report("Mild cardiomegaly. Severe edema. No large effusion.").severity == "severe"
    assert label_report("No large effusion.").severity is None


def test_nothing_is_read_from_an_empty_report() -> None:
    assert label_report(" \n ") == ReportLabels((), True)


def test_retrocardiac_means_left_unless_the_report_says_otherwise() -> None:
    assert label_report("Retrocardiac opacity.").regions == {"left lung"}
    assert label_report("Right retrocardiac opacity.").regions == {"right lung"}
    assert label_report("Opacity in the retrocardiac region.").regions == {"left lung"}


@pytest.mark.parametrize(
    "text",
    [
        "Opacity in the left lung, not the right.",
        "Opacity in the left lung, not in the right lung.",
        "Left base opacity but not on the right.",
    ],
)
def test_a_side_that_is_denied_is_not_where_the_finding_lies(text: str) -> None:
    assert label_report(text).regions == {"left lung"}


def test_only_the_sections_of_a_full_report_are_labelled() -> None:
    labels = label_report("INDICATION: Pneumonia, CHF. FINDINGS: Lungs are clear. IMPRESSION: No acute disease.")
    assert (labels.present, labels.is_normal) == (frozenset(), True)


def test_nothing_that_a_report_contains_makes_labelling_fail() -> None:
    """Phrases of all kinds and marks in any order; the same ones at every run."""
    phrases, _ = lexicon()
    parts = [" ".join(words) for words in sorted(phrases)]
    parts += [",", ".", "?", ":", "-", "(-)", "(+)", "\n", "None", "possible", "resolved"] * (len(parts) // 20)
    draw = random.Random(0)
    for _ in range(2000):
        assert isinstance(label_report(" ".join(draw.choices(parts, k=draw.randrange(15)))), ReportLabels)


def test_every_finding_of_the_vocabulary_can_be_read() -> None:
    assert set(FINDING_PHRASES) == set(FINDINGS)
    assert {region for region in FINDING_REGION.values() if region} <= set(REGIONS)


def test_no_phrase_means_two_cues() -> None:
    both_ways = {("difficult", "to", "exclude")}  # "difficult to exclude edema", "edema is difficult to exclude"
    meanings, _ = lexicon()
    doubled = {words for words, found in meanings.items() if [kind for kind, _ in found].count("cue") > 1}
    assert doubled <= both_ways


def test_phrase_stands_for_all_its_choices() -> None:
    assert expand("low lung? volume|volumes") == [
        ("low", "lung", "volume"),
        ("low", "lung", "volumes"),
        ("low", "volume"),
        ("low", "volumes"),
    ]
