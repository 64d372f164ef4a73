"""The report of a phantom scene: what is drawn, in sentences that vary as those of radiologists do.

Every statement has a commonest wording, its first; the others share the rest of the chance. Three habits are told apart
by what the image shows: normal upright films, normal portable films, and films with findings, whose reports name the
findings first and the rest in fewer words. So a report that ignores the image is wrong about most of the text.
"""

from collections.abc import Callable, Sequence

import numpy as np

from xr2text_core.data.phantom_scene import LUNG_FINDINGS, PhantomFinding, Scene
from xr2text_core.report.report import Report

Wordings = tuple[str, ...]  # the first is the commonest
Chooser = Callable[[Sequence[str]], str]

_WRITING = 1  # purpose of `Scene.generator`
_COMMONEST_CHANCE = 0.62
_SWAP_CHANCE = 0.25

_ADVERBS = {"mild": "mildly", "moderate": "moderately", "severe": "severely"}
_SIZES = {"mild": "small", "moderate": "moderate", "severe": "large"}
_LESIONS = {"mild": "small nodule", "severe": "large mass"}
_PLACES = {"upper": "upper lobe", "mid": "mid lung", "lower": "lower lobe"}

_POSITIVE: dict[str, Wordings] = {
    "cardiomegaly": (
        "The heart is {adverb} enlarged.",
        "There is {severity} cardiomegaly.",
        "{severity} cardiomegaly is present.",
    ),
    "enlarged cardiomediastinum": (
        "The mediastinum is {adverb} widened.",
        "There is {severity} widening of the mediastinum.",
        "{severity} mediastinal widening is noted.",
    ),
    "pleural effusion": (
        "There is a {size} {side} pleural effusion.",
        "A {size} {side} pleural effusion is present.",
        "{size} {side} pleural effusion blunts the costophrenic angle.",
    ),
    "pneumothorax": (
        "There is a {size} {side} pneumothorax.",
        "A {size} {side} pneumothorax is present.",
        "{size} pneumothorax on the {side}.",
    ),
    "consolidation": (
        "There is a {size} consolidation in the {side} {place}.",
        "A {size} area of consolidation is seen in the {side} {place}.",
        "{size} {side} {place} consolidation.",
        "There is a {size} consolidation in the {side} {place}, which may represent pneumonia.",
    ),
    "lung lesion": (
        "A {lesion} is seen in the {side} {place}.",
        "There is a {lesion} in the {side} {place}.",
        "{lesion} projects over the {side} {place}.",
    ),
    "atelectasis": (
        "{severity} linear atelectasis is seen in the {side} {place}.",
        "There is {severity} atelectasis in the {side} {place}.",
        "{severity} {side} {place} atelectasis.",
    ),
    "edema": (
        "There is {severity} pulmonary edema.",
        "{severity} pulmonary edema is present in both lungs.",
        "Findings show {severity} pulmonary edema.",
    ),
    "hyperinflation": (
        "The lungs are {adverb} hyperinflated.",
        "There is {severity} hyperinflation of the lungs.",
        "{adverb} hyperinflated lungs.",
    ),
    "low lung volumes": (
        "Lung volumes are low.",
        "There are low lung volumes.",
        "Low lung volumes are noted.",
    ),
    "elevated diaphragm": (
        "The {side} hemidiaphragm is {adverb} elevated.",
        "There is {severity} elevation of the {side} hemidiaphragm.",
        "{severity} elevation of the {side} hemidiaphragm is noted.",
    ),
    "scoliosis": (
        "There is {severity} scoliosis of the spine, convex to the {side}.",
        "{severity} scoliosis convex to the {side} is noted.",
        "{severity} thoracic scoliosis, convex to the {side}.",
    ),
}

_POSITIVE_BOTH_SIDES: dict[str, Wordings] = {
    "pleural effusion": (
        "There are {size} bilateral pleural effusions.",
        "{size} bilateral pleural effusions are present.",
        "{size} pleural effusions are seen on both sides.",
    ),
    "consolidation": (
        "There are {size} consolidations in both lower lobes.",
        "{size} bilateral lower lobe consolidations are seen.",
        "{size} areas of consolidation are seen in both lower lobes.",
    ),
    "atelectasis": (
        "{severity} linear atelectasis is seen in both lower lobes.",
        "There is {severity} atelectasis in both lower lobes.",
        "{severity} bilateral lower lobe atelectasis.",
    ),
}

_DEVICES: dict[str, Wordings] = {
    "pacemaker": (
        "A left chest pacemaker is in place.",
        "Left chest pacemaker with intact lead.",
        "A pacemaker overlies the left chest.",
    ),
    "central line": (
        "A right central venous catheter ends in the superior vena cava.",
        "The tip of the right central venous catheter is in the superior vena cava.",
        "Right central venous catheter in place.",
    ),
    "endotracheal tube": (
        "The endotracheal tube ends above the carina.",
        "An endotracheal tube is in place.",
        "Endotracheal tube tip is above the carina.",
    ),
    "feeding tube": (
        "A feeding tube extends into the stomach.",
        "The feeding tube ends in the stomach.",
        "Feeding tube in place.",
    ),
}

_TECHNIQUE: dict[str, Wordings] = {
    "portable": (
        "Portable AP view of the chest.",
        "Single portable view of the chest.",
        "AP portable chest radiograph.",
    ),
    "rotated": (
        "The patient is rotated to the {side}.",
        "The patient is slightly rotated to the {side}.",
        "Patient rotation to the {side}.",
    ),
}

# Normal upright films, in the usual order.
_NORMAL_PA: dict[str, Wordings] = {
    "heart": ("The heart is normal in size.", "Heart size is normal.", "The heart size is within normal limits."),
    "mediastinum": (
        "The mediastinal contours are unremarkable.",
        "The mediastinum is unremarkable.",
        "Mediastinal contours are normal.",
    ),
    "lungs": (
        "The lungs are clear without focal consolidation.",
        "The lungs are clear.",
        "The lungs are clear bilaterally.",
    ),
    "pleura": (
        "There is no pleural effusion or pneumothorax.",
        "No pleural effusion or pneumothorax is seen.",
        "There is no pneumothorax or pleural effusion.",
    ),
    "diaphragm": (
        "The hemidiaphragms are normal in contour.",
        "The diaphragm is normal.",
        "Both hemidiaphragms are normal.",
    ),
    "bones": (
        "The visualized spine and ribs are intact.",
        "The bones are intact.",
        "The osseous structures are intact.",
    ),
}

# Normal portable films: lungs first, and other set phrases.
_NORMAL_AP: dict[str, Wordings] = {
    "lungs": (
        "Both lungs appear well aerated, no airspace opacity.",
        "Lungs appear well aerated.",
        "No airspace opacity in either lung.",
    ),
    "pleura": (
        "Negative for pneumothorax, negative for effusion.",
        "Negative for pneumothorax or effusion.",
        "Pleural spaces appear clear.",
    ),
    "heart": (
        "Cardiomediastinal silhouette within normal limits.",
        "Normal cardiomediastinal silhouette.",
        "Cardiomediastinal silhouette appears normal.",
    ),
    "diaphragm": (
        "Diaphragm sharply outlined on each side.",
        "Diaphragm sharply outlined.",
        "Normal position of the diaphragm.",
    ),
    "bones": (
        "Regional skeleton shows no acute abnormality.",
        "Regional skeleton appears unremarkable.",
        "No acute skeletal abnormality.",
    ),
}

# What is normal beside findings, in few words.
_NORMAL_REST: dict[str, Wordings] = {
    "heart and mediastinum": (
        "Cardiac and mediastinal contours are otherwise normal.",
        "Normal heart and mediastinum.",
        "Cardiac and mediastinal contours are normal.",
    ),
    "heart": ("Cardiac size is normal.", "Normal cardiac size.", "Cardiac contour is normal."),
    "mediastinum": (
        "Upper mediastinum is not widened.",
        "No mediastinal widening.",
        "Upper mediastinum is normal.",
    ),
    "both lungs": ("No focal lung lesion.", "No focal lung opacity.", "Lung fields remain clear."),
    "one lung": ("The {side} lung is clear.", "Clear {side} lung.", "The {side} lung remains clear."),
    "pleura": ("No effusion, no pneumothorax.", "No effusion or pneumothorax.", "No pneumothorax, no effusion."),
    "no effusion": ("No associated effusion.", "No pleural effusion.", "There is no effusion."),
    "no pneumothorax": ("No pneumothorax.", "No associated pneumothorax.", "There is no pneumothorax."),
    "diaphragm": ("Diaphragm in normal position.", "Normal diaphragm.", "Diaphragm is in normal position."),
    "bones": ("No spinal curvature or fracture.", "No fracture.", "No acute fracture."),
}

_IMPRESSION_NORMAL: Wordings = (
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary process.",
    "Normal chest.",
)
_IMPRESSION: dict[str, str] = {
    "cardiomegaly": "{severity} cardiomegaly",
    "enlarged cardiomediastinum": "{severity} mediastinal widening",
    "pleural effusion": "{size} {side} pleural effusion",
    "pneumothorax": "{size} {side} pneumothorax",
    "consolidation": "{size} {side} {place} consolidation",
    "lung lesion": "{side} {place} {lesion}",
    "atelectasis": "{side} {place} atelectasis",
    "edema": "{severity} pulmonary edema",
    "hyperinflation": "{severity} hyperinflation",
    "low lung volumes": "low lung volumes",
    "elevated diaphragm": "elevated {side} hemidiaphragm",
    "scoliosis": "{severity} scoliosis",
}


def write_report(scene: Scene) -> Report:
    """Return the reference report of a scene: wording and order by lot, always the same for the same scene."""
    generator = scene.generator(_WRITING)

    def choose(wordings: Sequence[str]) -> str:
        others = len(wordings) - 1
        chances = [_COMMONEST_CHANCE, *[(1 - _COMMONEST_CHANCE) / others] * others]
        return wordings[generator.choice(len(wordings), p=chances)]

    technique, present, normal = _statements(scene, choose)
    sentences = [*technique, *_swap_sometimes(present, generator), *_swap_sometimes(normal, generator)]
    return Report(" ".join(sentences), _impression(scene, choose))


def commonest_report(scene: Scene) -> Report:
    """Return the same facts in the commonest wording and order: the most that a model can learn to say."""

    def choose(wordings: Sequence[str]) -> str:
        return wordings[0]

    sentences = [sentence for part in _statements(scene, choose) for sentence in part]
    return Report(" ".join(sentences), _impression(scene, choose))


def _swap_sometimes(sentences: list[str], generator: np.random.Generator) -> list[str]:
    if len(sentences) < 2 or generator.random() >= _SWAP_CHANCE:
        return sentences
    place = int(generator.integers(len(sentences) - 1))
    return [*sentences[:place], sentences[place + 1], sentences[place], *sentences[place + 2 :]]


def _statements(scene: Scene, choose: Chooser) -> tuple[list[str], list[str], list[str]]:
    """Return the sentences on technique, on devices and findings, and on what is normal: in this order in a report."""
    technique = _technique(scene, choose)
    present = [choose(_DEVICES[device]) for device in scene.devices]
    present += [_fill(choose(_wordings(item)), item) for item in scene.findings]
    if scene.findings:
        return technique, present, _normal_rest(scene, choose)
    normal = _NORMAL_AP if scene.view == "AP" else _NORMAL_PA
    return technique, present, [choose(wordings) for wordings in normal.values()]


def _technique(scene: Scene, choose: Chooser) -> list[str]:
    sentences = [choose(_TECHNIQUE["portable"])] if scene.view == "AP" else []
    if scene.rotated:
        sentences.append(choose(_TECHNIQUE["rotated"]).format(side=scene.rotated))
    return sentences


def _wordings(item: PhantomFinding) -> Wordings:
    if item.side == "bilateral" and item.finding in _POSITIVE_BOTH_SIDES:
        return _POSITIVE_BOTH_SIDES[item.finding]
    return _POSITIVE[item.finding]


def _fill(wording: str, item: PhantomFinding) -> str:
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
    keys = [*_normal_lungs(scene), *_normal_pleura(scene), *_normal_centre(scene)]
    if not {item.finding for item in scene.findings} & {"elevated diaphragm", "pleural effusion", "hyperinflation"}:
        keys.append("diaphragm")
    if not scene.get("scoliosis"):
        keys.append("bones")
    return [choose(_NORMAL_REST[key]).format(side=_clear_lung(scene)) for key in keys]


def _clear_lung(scene: Scene) -> str | None:
    """Return the side of the only lung without a finding, if there is just one."""
    lungs = [item for item in scene.findings if item.finding in LUNG_FINDINGS]
    clear = [side for side in ("right", "left") if not any(item.is_on(side) for item in lungs)]
    return clear[0] if len(clear) == 1 else None


def _normal_lungs(scene: Scene) -> list[str]:
    if not any(item.finding in LUNG_FINDINGS for item in scene.findings):
        return ["both lungs"]
    return ["one lung"] if _clear_lung(scene) else []


def _normal_pleura(scene: Scene) -> list[str]:
    has_effusion, has_pneumothorax = scene.get("pleural effusion"), scene.get("pneumothorax")
    if has_effusion and has_pneumothorax:
        return []
    if has_effusion:
        return ["no pneumothorax"]
    return ["no effusion" if has_pneumothorax else "pleura"]


def _normal_centre(scene: Scene) -> list[str]:
    has_large_heart, has_wide_mediastinum = scene.get("cardiomegaly"), scene.get("enlarged cardiomediastinum")
    if has_large_heart and has_wide_mediastinum:
        return []
    if has_large_heart:
        return ["mediastinum"]
    return ["heart" if has_wide_mediastinum else "heart and mediastinum"]


def _impression(scene: Scene, choose: Chooser) -> str:
    if not scene.findings:
        return choose(_IMPRESSION_NORMAL)
    return " ".join(_fill(_IMPRESSION[item.finding] + ".", item) for item in scene.findings)
