"""The report of a phantom scene: what is drawn, in sentences that vary like a radiologist's.

Every statement has a commonest wording, its first; the others share the rest of the probability. Three styles follow
from the image: normal upright films, normal portable films, and films with findings, whose reports name the
findings first and the rest in fewer words. So a report that ignores the image is wrong about most of the text.
"""

from collections.abc import Callable, Sequence

import numpy as np

from xr2text_core.drawing.desk_wordings import IMPRESSION_LATERAL, ONLY_LATERAL
from xr2text_core.drawing.scene import LATERAL, LOCAL_LUNG_FINDINGS, LUNG_FINDINGS, PhantomFinding, Scene
from xr2text_core.drawing.wordings import (
    DEVICE,
    IMPRESSION,
    IMPRESSION_NORMAL,
    NORMAL_AP,
    NORMAL_PA,
    NORMAL_REST,
    POSITIVE,
    POSITIVE_BOTH_SIDES,
    TECHNIQUE,
    Wordings,
)
from xr2text_core.report.report import Report

Chooser = Callable[[Sequence[str]], str]

_WRITING = 1  # purpose of `Scene.generator`
_COMMONEST_CHANCE = 0.62
_SWAP_CHANCE = 0.25

_ADVERBS = {"mild": "mildly", "moderate": "moderately", "severe": "severely"}
_SIZES = {"mild": "small", "moderate": "moderate", "severe": "large"}
_LESIONS = {"mild": "small nodule", "severe": "large mass"}
_PLACES = {"upper": "upper lobe", "mid": "mid lung", "lower": "lower lobe"}


def write_report(scene: Scene) -> Report:
    """Return the reference report of a scene: wording and order are sampled, always the same for the same scene."""
    generator = scene.generator(_WRITING)
    choose = sampled(generator)
    technique, present, normal = _statements(scene, choose)
    sentences = [*technique, *swap_sometimes(present, generator), *swap_sometimes(normal, generator)]
    return Report(" ".join(sentences), impression(scene, choose))


def commonest_report(scene: Scene) -> Report:
    """Return the same facts in the commonest wording and order: the best that a model can learn."""
    sentences = [sentence for part in _statements(scene, commonest) for sentence in part]
    return Report(" ".join(sentences), impression(scene, commonest))


def sampled(generator: np.random.Generator) -> Chooser:
    """A chooser of wordings: mostly the commonest one."""

    def choose(wordings: Sequence[str]) -> str:
        others = len(wordings) - 1
        chances = [_COMMONEST_CHANCE, *[(1 - _COMMONEST_CHANCE) / others] * others]
        return wordings[generator.choice(len(wordings), p=chances)]

    return choose


def commonest(wordings: Sequence[str]) -> str:
    return wordings[0]


def swap_sometimes(sentences: list[str], generator: np.random.Generator) -> list[str]:
    if len(sentences) < 2 or generator.random() >= _SWAP_CHANCE:
        return sentences
    place = int(generator.integers(len(sentences) - 1))
    return [*sentences[:place], sentences[place + 1], sentences[place], *sentences[place + 2 :]]


def _statements(scene: Scene, choose: Chooser) -> tuple[list[str], list[str], list[str]]:
    """Return the sentences on technique, on devices and findings, and on what is normal: in this order in a report."""
    first = technique(scene, choose)
    present = [choose(DEVICE[device]) for device in scene.devices]
    present += [fill(choose(wordings_of(item)), item) for item in scene.findings]
    return first, present, normal_sentences(scene, choose)


def normal_sentences(scene: Scene, choose: Chooser) -> list[str]:
    """Return what the films show to be normal."""
    if scene.findings:
        return _normal_rest(scene, choose)
    normal = NORMAL_AP if scene.view == "AP" else NORMAL_PA
    return [choose(wordings) for wordings in normal.values()]


def technique(scene: Scene, choose: Chooser) -> list[str]:
    sentences = [choose(TECHNIQUE["portable"])] if scene.view == "AP" else []
    if scene.rotated:
        sentences.append(choose(TECHNIQUE["rotated"]).format(side=scene.rotated))
    return sentences


def wordings_of(item: PhantomFinding) -> Wordings:
    if item.zone == LATERAL:
        return ONLY_LATERAL[item.finding]
    if item.side == "bilateral" and item.finding in POSITIVE_BOTH_SIDES:
        return POSITIVE_BOTH_SIDES[item.finding]
    return POSITIVE[item.finding]


def fill(wording: str, item: PhantomFinding) -> str:
    severity = item.severity or ""
    sentence = wording.format(
        severity=severity,
        adverb=_ADVERBS.get(severity, ""),
        size=_SIZES.get(severity, ""),
        lesion=_LESIONS.get(severity, "nodule"),
        side=item.side,
        place=_PLACES.get(item.zone or "", ""),
    )
    return sentence[0].upper() + sentence[1:]


def _normal_rest(scene: Scene, choose: Chooser) -> list[str]:
    """Return what is normal beside findings; a region with a finding has no sentence here."""
    keys = [*_normal_lungs(scene), *_normal_pleura(scene), *normal_centre(scene)]
    if not {item.finding for item in scene.findings} & {"elevated diaphragm", "pleural effusion", "hyperinflation"}:
        keys.append("diaphragm")
    if not scene.get("scoliosis") and not scene.get("fracture"):
        keys.append("bones")
    return [choose(NORMAL_REST[key]).format(side=_clear_lung(scene)) for key in keys]


def _clear_lung(scene: Scene) -> str | None:
    """Return the side of the only lung without a finding, if there is just one."""
    lungs = [item for item in scene.findings if item.finding in LUNG_FINDINGS]
    clear = [side for side in ("right", "left") if not any(item.is_on(side) for item in lungs)]
    return clear[0] if len(clear) == 1 else None


def _normal_lungs(scene: Scene) -> list[str]:
    if not any(item.finding in (*LOCAL_LUNG_FINDINGS, "edema") for item in scene.findings):
        return ["both lungs"]
    return ["one lung"] if _clear_lung(scene) else []


def _normal_pleura(scene: Scene) -> list[str]:
    has_effusion, has_pneumothorax = scene.get("pleural effusion"), scene.get("pneumothorax")
    if has_effusion and has_pneumothorax:
        return []
    if has_effusion:
        return ["no pneumothorax"]
    return ["no effusion" if has_pneumothorax else "pleura"]


def normal_centre(scene: Scene) -> list[str]:
    has_large_heart, has_wide_mediastinum = scene.get("cardiomegaly"), scene.get("enlarged cardiomediastinum")
    if has_large_heart and has_wide_mediastinum:
        return []
    if has_large_heart:
        return ["mediastinum"]
    return ["heart" if has_wide_mediastinum else "heart and mediastinum"]


def impression(scene: Scene, choose: Chooser) -> str:
    if not scene.findings:
        return choose(IMPRESSION_NORMAL)
    return " ".join(fill(f"{short_wording(item)}.", item) for item in scene.findings)


def short_wording(item: PhantomFinding) -> str:
    """How an impression names a finding, without a full stop; places to fill as in wordings.py."""
    return (IMPRESSION_LATERAL if item.zone == LATERAL else IMPRESSION)[item.finding]
