"""A phantom study as it lies on a radiologist's desk: two films, the question, and the last study.

The frontal film is that of the scene of the same number. What the lateral film alone shows, the question and whether
each of the three exists are sampled independently of that scene and of each other, so none can be guessed from another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from xr2text_core.drawing.desk_wordings import QUESTIONS, THINGS
from xr2text_core.drawing.drawing import HEART_RATIO, MEDIASTINUM_HALF_WIDTH, USUAL_HALF_WIDTH
from xr2text_core.drawing.lungs import (
    CONSOLIDATION_RADIUS,
    EDEMA_DENSITY,
    FLUID_LEVEL,
    LESION_RADIUS,
    NUM_PLATES,
    PNEUMOTHORAX_GAP,
)
from xr2text_core.drawing.scene import (
    KINDS,
    LATERAL,
    PhantomFinding,
    Scene,
    SceneLabels,
    hides,
    sample_finding,
    sample_scene,
    scene_labels,
)

CHANGED_FROM = 1.5  # factor of a size, from which on it is larger or smaller
# What a frontal film hides: behind the heart, in the posterior angle, in the spine, in the sternum.
HIDDEN = (
    PhantomFinding("lung opacity", "left", LATERAL),
    PhantomFinding("pleural effusion", None, LATERAL, "mild"),
    PhantomFinding("degenerative spine", None, LATERAL),
    PhantomFinding("fracture", None, LATERAL),
)
# The size of a finding by severity: lengths beyond the usual, areas of what is round, densities of haze. Neighbours
# differ by CHANGED_FROM at least; findings that have no size here stay as they are, or are new.
SIZES: Mapping[str, Mapping[str, float]] = {
    "cardiomegaly": {severity: ratio - 0.5 for severity, ratio in HEART_RATIO.items()},
    "enlarged cardiomediastinum": {each: width - USUAL_HALF_WIDTH for each, width in MEDIASTINUM_HALF_WIDTH.items()},
    "pleural effusion": {severity: level + 0.03 for severity, level in FLUID_LEVEL.items()},  # mean height
    "pneumothorax": PNEUMOTHORAX_GAP,
    "consolidation": {severity: radius**2 for severity, radius in CONSOLIDATION_RADIUS.items()},
    "lung lesion": {severity: radius**2 for severity, radius in LESION_RADIUS.items()},
    "atelectasis": NUM_PLATES,
    "edema": EDEMA_DENSITY,
}
CHRONIC = ("scoliosis", "hyperinflation")  # neither new nor gone nor changed
RESOLVES = tuple(THINGS)

_SAMPLING = 3  # purpose of `Scene.generator`
_CHANCE = 2 / 3  # that a study has a lateral film; an indication; a last study
_HIDDEN_CHANCE = 0.2  # of each finding of HIDDEN, where there is a lateral film
_RESOLVED_CHANCE = 0.4
_LONGEST_DAYS = 700
_EARLIER = 1_000_000_000  # what is added to the number of a scene for the last study, beyond the numbers of all splits


@dataclass(frozen=True)
class Desk:
    """What the films of a study show, and what a radiologist knows beside them; the last study is a desk of its own."""

    scene: Scene  # what the frontal film shows
    has_lateral: bool = False
    hidden: tuple[PhantomFinding, ...] = ()  # what only the lateral film shows
    question: str = ""  # of QUESTIONS; "" for a study without an indication
    prior: "Desk | None" = None
    days: int = 0  # since the last study

    @property
    def seen(self) -> Scene:
        """The scene with the findings of all films."""
        return replace(self.scene, findings=self.scene.findings + self.hidden)

    @property
    def labels(self) -> SceneLabels:
        return scene_labels(self.seen)

    @property
    def changes(self) -> dict[str, str]:
        """What became of each finding of the frontal films since the last study; empty without one."""
        if self.prior is None:
            return {}
        before, now = self.prior.scene, self.scene
        kinds = [kind for kind in KINDS if before.get(kind) or now.get(kind)]
        return {kind: _change(before.get(kind), now.get(kind)) for kind in kinds}

    @property
    def asked(self) -> tuple[str, ...]:
        """The findings that the question asks for and the films do not show, in the order of the question."""
        present = {item.finding for item in self.seen.findings}
        if "lung opacity" in present:
            present.add("consolidation")  # one opacity may be the other: it cannot be denied
        wanted = QUESTIONS[self.question].asks_for if self.question else ()
        return tuple(finding for finding in wanted if finding not in present)


def sample_desk(seed: int, number: int) -> Desk:
    """Sample study `number` of a seed: its frontal film is that of `sample_scene`."""
    scene = sample_scene(seed, number)
    generator = scene.generator(_SAMPLING)
    has_lateral, has_question, has_prior = generator.random(3) < _CHANCE
    hidden = [item for item, draw in zip(HIDDEN, generator.random(len(HIDDEN)), strict=True) if draw < _HIDDEN_CHANCE]
    question = list(QUESTIONS)[generator.integers(len(QUESTIONS))]
    days = round(float(np.exp(generator.uniform(0.0, np.log(_LONGEST_DAYS)))))
    return Desk(
        scene=scene,
        has_lateral=bool(has_lateral),
        hidden=tuple(item for item in hidden if has_lateral and scene.get(item.finding) is None),
        question=question if has_question else "",
        prior=_last_study(scene, generator) if has_prior else None,
        days=days if has_prior else 0,
    )


def _last_study(scene: Scene, generator: np.random.Generator) -> Desk:
    """A study of one film; two in three were themselves compared with a still earlier one, which nobody sees."""
    before = _earlier(scene, generator)
    earliest = Desk(_earlier(before, generator)) if generator.random() < _CHANCE else None
    return Desk(before, prior=earliest)


def _earlier(scene: Scene, generator: np.random.Generator) -> Scene:
    """The same chest on an earlier day: findings were smaller, larger, as now or not there, and one may be gone now."""
    found = [before for item in scene.findings if (before := _before(item, generator))]
    if _cover_each_other(found):
        found = [item for item in scene.findings if item.finding in {each.finding for each in found}]
    if generator.random() < _RESOLVED_CHANCE:
        gone = sample_finding(generator, RESOLVES[generator.integers(len(RESOLVES))])
        if scene.get(gone.finding) is None and not _cover_each_other([*found, gone]):
            found.append(gone)
    kinds = list(KINDS)
    ordered = tuple(sorted(found, key=lambda item: kinds.index(item.finding)))
    return replace(scene, findings=ordered, number=scene.number + _EARLIER)


def _before(item: PhantomFinding, generator: np.random.Generator) -> PhantomFinding | None:
    """What a finding of today was: one change of those that it can have, each as likely; None where it is new."""
    if item.finding in CHRONIC:
        return item
    sizes = SIZES.get(item.finding, {})
    others = [severity for severity in KINDS[item.finding][3] if severity in sizes and severity != item.severity]
    now = sizes.get(item.severity or "", 0.0)
    smaller = [each for each in others if sizes[each or ""] < now]
    larger = [each for each in others if sizes[each or ""] > now]
    options: list[PhantomFinding | None] = [item, None]
    for severities in filter(None, (smaller, larger)):
        options.append(replace(item, severity=severities[generator.integers(len(severities))]))
    return options[generator.integers(len(options))]


def _cover_each_other(items: list[PhantomFinding]) -> bool:
    return any(hides(item, other) for item, other in permutations(items, 2))


def _change(before: PhantomFinding | None, now: PhantomFinding | None) -> str:
    """One of CHANGES: a size counts as changed from a factor of 1.5."""
    if now is None:
        return "resolved"
    if before is None:
        return "new"
    sizes = SIZES.get(now.finding)
    if sizes is None or now.severity == before.severity:
        return "unchanged"
    factor = sizes[now.severity or ""] / sizes[before.severity or ""]
    if factor >= CHANGED_FROM:
        return "larger"
    return "smaller" if factor <= 1 / CHANGED_FROM else "unchanged"
