"""The report and the indication of a phantom desk.

The lateral film adds findings, the last study adds what became of each, and the question decides which findings the
report denies and in which order; it never decides whether a finding that is there is named.
"""

import numpy as np

from xr2text_core.drawing.desk import Desk
from xr2text_core.drawing.desk_wordings import (
    AGES,
    CHANGE,
    NEGATIVES,
    NOTHING_CHANGED,
    PEOPLE,
    QUESTIONS,
    RESOLVED,
    THINGS,
    VIEWS,
)
from xr2text_core.drawing.scene import PhantomFinding
from xr2text_core.drawing.wordings import DEVICE, IMPRESSION_NORMAL, NORMAL_REST
from xr2text_core.drawing.writing import (
    Chooser,
    commonest,
    fill,
    normal_centre,
    normal_sentences,
    sampled,
    short_wording,
    swap_sometimes,
    technique,
    wordings_of,
)
from xr2text_core.report.report import Report

_WRITING, _ASKING = 4, 5  # purposes of `Scene.generator`


def write_desk_report(desk: Desk) -> Report:
    """Return the reference report of a desk: wording is sampled, always the same for the same desk."""
    generator = desk.scene.generator(_WRITING)
    choose = sampled(generator)
    present, normal = _present(desk, choose), _normal(desk, choose)
    if not desk.question:  # else the order of what is denied is the question's
        normal = swap_sometimes(normal, generator)
    sentences = [*_technique(desk, choose), *swap_sometimes(present, generator), *_gone(desk, choose), *normal]
    return Report(" ".join(sentences), _impression(desk, choose))


def commonest_desk_report(desk: Desk) -> Report:
    """Return the same facts in the commonest wording and order: the best that a model can learn."""
    parts = (_technique, _present, _gone, _normal)
    sentences = [sentence for part in parts for sentence in part(desk, commonest)]
    return Report(" ".join(sentences), _impression(desk, commonest))


def write_indication(desk: Desk) -> str:
    """Return why the film was taken; "" for a desk without a question."""
    if not desk.question:
        return ""
    generator: np.random.Generator = desk.scene.generator(_ASKING)
    wording = sampled(generator)(QUESTIONS[desk.question].wordings)
    return wording.format(age=generator.integers(*AGES), person=PEOPLE[generator.integers(len(PEOPLE))])


def _technique(desk: Desk, choose: Chooser) -> list[str]:
    if not desk.has_lateral:
        return technique(desk.scene, choose)
    rotated = technique(desk.scene, choose)[1 if desk.scene.view == "AP" else 0 :]
    return [choose(VIEWS[desk.scene.view]), *rotated]


def _present(desk: Desk, choose: Chooser) -> list[str]:
    devices = [choose(DEVICE[device]) for device in desk.scene.devices]
    return [
        *devices,
        *(_compared(desk, fill(choose(wordings_of(item)), item), item, choose) for item in desk.seen.findings),
    ]


def _compared(desk: Desk, sentence: str, item: PhantomFinding, choose: Chooser) -> str:
    """The sentence with what became of its finding; the last study had no lateral film to compare with."""
    change = desk.changes.get(item.finding)
    if change is None or item in desk.hidden:
        return sentence
    return f"{sentence.removesuffix('.')}{choose(CHANGE[change])}."


def _gone(desk: Desk, choose: Chooser) -> list[str]:
    """What the last study showed and this one does not; or, where neither shows anything, that nothing changed."""
    if desk.prior is None:
        return []
    if not desk.changes:
        return [] if desk.hidden else [choose(NOTHING_CHANGED)]
    gone = [item for item in desk.prior.scene.findings if desk.changes[item.finding] == "resolved"]
    return [fill(choose(RESOLVED).format(thing=THINGS[item.finding]), item) for item in gone]


def _normal(desk: Desk, choose: Chooser) -> list[str]:
    """What is denied: what the question asks for, else the usual."""
    if not desk.question:
        return normal_sentences(desk.seen, choose)
    centre = [choose(NORMAL_REST[key]) for key in normal_centre(desk.seen)]
    return [*(choose(NEGATIVES[finding]) for finding in desk.asked), *centre]


def _impression(desk: Desk, choose: Chooser) -> str:
    items = desk.seen.findings
    found = [_compared(desk, fill(f"{short_wording(item)}.", item), item, choose) for item in items]
    return " ".join([*(found or [choose(IMPRESSION_NORMAL)]), *_gone(desk, choose)])
