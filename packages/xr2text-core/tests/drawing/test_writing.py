import string
from collections import Counter
from dataclasses import replace

import pytest

from xr2text_core.data.readers.phantom import read
from xr2text_core.drawing.names import named_scene
from xr2text_core.drawing.scene import DEVICES, PhantomFinding, Scene, sample_scene
from xr2text_core.drawing.wordings import DEVICE, POSITIVE
from xr2text_core.drawing.writing import commonest_report, write_report
from xr2text_core.metrics.baselines import best_constant
from xr2text_core.metrics.bleu import corpus_bleu
from xr2text_core.metrics.protocols import get_protocol, tokenize_candidates, tokenize_references
from xr2text_core.metrics.rouge_l import rouge_l

SCENES = [sample_scene(0, number) for number in range(600)]
REPORTS = [write_report(scene).findings for scene in SCENES]
EFFUSION = PhantomFinding("pleural effusion", "left", None, "severe")


def words(text: str) -> list[str]:
    return text.lower().translate(str.maketrans("", "", string.punctuation)).split()


def test_report_depends_on_the_scene_alone() -> None:
    assert [write_report(scene).findings for scene in reversed(SCENES[:20])] == REPORTS[:20][::-1]
    assert write_report(SCENES[0]) == write_report(sample_scene(0, 0))


def test_every_finding_and_device_has_a_wording() -> None:
    assert {item.finding for scene in SCENES for item in scene.findings} == set(POSITIVE)
    assert set(DEVICES) == set(DEVICE)


def test_finding_is_stated_with_side_and_size() -> None:
    text = commonest_report(Scene(findings=(EFFUSION,))).findings
    assert text.startswith("There is a large left pleural effusion.")
    assert "No pneumothorax." in text
    assert "no effusion" not in text.lower()


def test_finding_replaces_the_normal_sentence_of_its_region() -> None:
    text = commonest_report(Scene(findings=(PhantomFinding("cardiomegaly", None, None, "mild"),))).findings
    assert "The heart is mildly enlarged." in text
    assert "Cardiac" not in text


def test_lung_beside_the_sick_one_is_called_clear() -> None:
    lesion = PhantomFinding("lung lesion", "right", "upper", "mild")
    assert "The left lung is clear." in commonest_report(Scene(findings=(lesion,))).findings


def test_sentences_have_no_empty_places() -> None:
    texts = [*REPORTS, *(commonest_report(scene).section("both") for scene in SCENES)]
    assert not [text for text in texts if "None" in text or "{" in text or "  " in text or " ." in text]


def test_commonest_wording_is_used_most_but_not_always() -> None:
    normal = [number for number, scene in enumerate(SCENES) if not scene.findings and scene.view == "PA"]
    share = sum("The heart is normal in size." in REPORTS[number] for number in normal) / len(normal)
    assert 0.5 < share < 0.75


def test_order_of_sentences_varies() -> None:
    scene = Scene()
    orders = Counter(
        write_report(replace(scene, number=number)).findings.lower().find("effusion") for number in range(50)
    )
    assert len(orders) > 5


def test_reports_are_as_short_and_plain_as_real_ones() -> None:
    lengths = sorted(len(words(text)) for text in REPORTS)
    assert 25 <= sum(lengths) / len(lengths) <= 45
    assert lengths[0] >= 12
    assert lengths[-1] <= 80
    assert len({word for text in REPORTS for word in words(text)}) < 250


def test_uncertain_sentences_are_rare_but_exist() -> None:
    many = [write_report(sample_scene(1, number)).findings for number in range(1500)]
    assert 0 < sum("may represent" in text for text in many) < 0.05 * len(many)


def test_impression_names_each_finding_of_an_abnormal_scene() -> None:
    assert commonest_report(Scene(findings=(EFFUSION,))).impression == "Large left pleural effusion."
    assert commonest_report(Scene()).impression == "No acute cardiopulmonary abnormality."


@pytest.fixture(scope="module")
def scores() -> dict[str, float]:
    """BLEU-4 + ROUGE-L of the ceiling and of the best constant report on the test split of seed 0."""
    dataset = read(num_train=300, num_val=60, num_test=300)
    rules = get_protocol("clean-full")
    test = dataset.split("test")
    references = tokenize_references([study.report.findings for study in test], rules)
    train, val = ([study.report.findings for study in dataset.split(name)] for name in ("train", "val"))

    def score(texts: list[str]) -> float:
        candidates = tokenize_candidates(texts, rules)
        return corpus_bleu(candidates, references)[3] + rouge_l(candidates, references, rules.rouge_beta)

    ceiling = [commonest_report(named_scene(study.frontal)).findings for study in test]
    return {"ceiling": score(ceiling), "constant": score([best_constant(train, val)] * len(test))}


def test_one_who_sees_the_image_beats_every_constant_report_by_far(scores: dict[str, float]) -> None:
    assert scores["ceiling"] > 0.9
    assert 0.85 * scores["ceiling"] > 1.5 * scores["constant"]


def test_wording_varies_so_that_even_the_ceiling_is_not_perfect(scores: dict[str, float]) -> None:
    assert scores["ceiling"] < 1.8
