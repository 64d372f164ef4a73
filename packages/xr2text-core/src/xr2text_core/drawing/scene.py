"""What a phantom shows: its anatomy, findings and devices, sampled from (seed, number) alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from xr2text_core.report.vocabulary import FINDINGS

LOCAL_LUNG_FINDINGS = ("consolidation", "lung lesion", "atelectasis", "pneumothorax", "lung opacity")
DIFFUSE_LUNG_FINDINGS = ("edema", "hyperinflation", "low lung volumes")
LUNG_FINDINGS = LOCAL_LUNG_FINDINGS + DIFFUSE_LUNG_FINDINGS
DEVICES = ("pacemaker", "central line", "endotracheal tube", "feeding tube")

_ALL_SEVERITIES = ("mild", "moderate", "severe")
_ZONES = ("upper", "mid", "lower")
LATERAL = "lateral"  # the zone of what a frontal film hides


@dataclass(frozen=True)
class PhantomFinding:
    """One thing that is drawn and reported; what does not apply to the finding is None."""

    finding: str  # one of FINDINGS
    side: str | None = None  # "right", "left" or "bilateral": the patient's, so "right" is on the left of the image
    zone: str | None = None  # "upper", "mid" or "lower" third of the lung; LATERAL: only the lateral film shows it
    severity: str | None = None  # "mild", "moderate" or "severe"

    def is_on(self, side: str) -> bool:
        return self.side in (side, "bilateral")


@dataclass(frozen=True)
class Anatomy:
    """How healthy chests differ. Lengths are fractions of the image's side, measured from its upper left corner."""

    centre_x: float = 0.5
    half_width: float = 0.375  # of the rib cage
    apex_y: float = 0.11
    dome_y: float = 0.73  # top of the right dome of the diaphragm; the left one lies a little lower
    heart_ratio: float = 0.44  # cardiothoracic ratio; radiologists call 0.50 and more enlarged
    tilt: float = 0.0  # sideways shift of the body axis from the top to the bottom of the image
    rib_spacing: float = 0.085
    brightness: float = 0.0  # added to the film, which ranges over 0..1
    contrast: float = 1.0
    noise: float = 0.02  # standard deviation of the grain, on a film of 0..1


@dataclass(frozen=True)
class Scene:
    """Everything that is drawn and reported. Two scenes of the same seed and number are equal."""

    findings: tuple[PhantomFinding, ...] = ()
    devices: tuple[str, ...] = ()  # of DEVICES
    view: str = "PA"  # or "AP": a portable film, with the shoulder blades over the lungs
    rotated: str | None = None  # "right" or "left": how the patient stood; reported, but no finding
    anatomy: Anatomy = field(default_factory=Anatomy)
    seed: int = 0
    number: int = 0

    def get(self, finding: str) -> PhantomFinding | None:
        return next((item for item in self.findings if item.finding == finding), None)

    def generator(self, purpose: int) -> np.random.Generator:
        """Return the random numbers of one purpose (drawing, writing): always the same for this scene."""
        return np.random.default_rng((self.seed, self.number, purpose))


class SceneLabels(NamedTuple):
    """The labels that a reader of the report must find."""

    findings: frozenset[str]  # present ones, "support devices" among them
    regions: frozenset[str]  # abnormal ones
    is_normal: bool  # nothing abnormal; devices are allowed


# Weight of a finding to be tried first, allowed sides, zones and severities. The findings of both lungs are tried more
# often, because scenes with a single abnormal region cannot have them.
KINDS: dict[str, tuple[float, tuple[str | None, ...], tuple[str | None, ...], tuple[str | None, ...]]] = {
    "cardiomegaly": (1.0, (None,), (None,), _ALL_SEVERITIES),
    "enlarged cardiomediastinum": (0.8, (None,), (None,), _ALL_SEVERITIES),
    "pleural effusion": (1.3, ("right", "right", "left", "left", "bilateral"), (None,), _ALL_SEVERITIES),
    "pneumothorax": (1.3, ("right", "left"), (None,), _ALL_SEVERITIES),
    "consolidation": (1.5, ("right", "right", "right", "left", "left", "left", "bilateral"), _ZONES, _ALL_SEVERITIES),
    "lung lesion": (1.5, ("right", "left"), _ZONES, ("mild", "severe")),
    "atelectasis": (1.5, ("right", "right", "left", "left", "bilateral"), ("mid", "lower"), ("mild", "moderate")),
    "edema": (2.2, ("bilateral",), (None,), _ALL_SEVERITIES),
    "hyperinflation": (2.4, ("bilateral",), (None,), ("mild", "severe")),
    "low lung volumes": (2.2, ("bilateral",), (None,), (None,)),
    "elevated diaphragm": (1.2, ("right", "left"), (None,), _ALL_SEVERITIES),
    "scoliosis": (0.8, ("right", "left"), (None,), _ALL_SEVERITIES),
}
assert set(KINDS) <= set(FINDINGS)

_NORMAL_SHARE = 0.5
_NUM_REGIONS = (1, 2, 3, 4)
_NUM_REGIONS_CHANCE = (0.40, 0.35, 0.18, 0.07)
_MAX_FINDINGS = 4


def finding_regions(item: PhantomFinding) -> frozenset[str]:
    """Return the regions that a finding makes abnormal; devices make none abnormal."""
    if item.finding in LUNG_FINDINGS:
        return frozenset(f"{side} lung" for side in ("right", "left") if item.is_on(side))
    region = {
        "cardiomegaly": "heart",
        "enlarged cardiomediastinum": "mediastinum",
        "pleural effusion": "costophrenic angles",
        "elevated diaphragm": "diaphragm",
        "scoliosis": "spine",
        "degenerative spine": "spine",
    }.get(item.finding)
    return frozenset((region,) if region else ())


def abnormal_regions(items: Iterable[PhantomFinding]) -> frozenset[str]:
    return frozenset(region for item in items for region in finding_regions(item))


def scene_labels(scene: Scene) -> SceneLabels:
    """Return the findings and abnormal regions that the report of the scene states."""
    present = {item.finding for item in scene.findings} | ({"support devices"} if scene.devices else set())
    regions = abnormal_regions(scene.findings)
    return SceneLabels(frozenset(present), regions, is_normal=not scene.findings)


def sample_scene(seed: int, number: int) -> Scene:
    """Sample scene `number` of a seed: about half are normal, and no scene depends on any other."""
    generator = np.random.default_rng((seed, number, 0))
    findings = () if generator.random() < _NORMAL_SHARE else _sample_findings(generator)
    view = "AP" if generator.random() < 0.5 else "PA"
    kinds = {item.finding for item in findings}
    rotated = ("right", "left")[generator.integers(2)] if generator.random() < 0.2 else None
    return Scene(
        findings=findings,
        devices=_sample_devices(generator, chance=0.3 if findings and view == "AP" else 0.1),
        view=view,
        rotated=None if "scoliosis" in kinds else rotated,
        anatomy=_sample_anatomy(generator),
        seed=seed,
        number=number,
    )


def _sample_anatomy(generator: np.random.Generator) -> Anatomy:
    def between(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    return Anatomy(
        centre_x=between(0.48, 0.52),
        half_width=between(0.35, 0.40),
        apex_y=between(0.09, 0.13),
        dome_y=between(0.715, 0.755),
        heart_ratio=between(0.40, 0.47),
        tilt=between(-0.03, 0.03),
        rib_spacing=between(0.078, 0.092),
        brightness=between(-0.04, 0.04),
        contrast=between(0.9, 1.1),
        noise=between(0.01, 0.03),
    )


def _sample_devices(generator: np.random.Generator, chance: float) -> tuple[str, ...]:
    if generator.random() >= chance:
        return ()
    first, second = generator.permutation(len(DEVICES))[:2]
    chosen = {first, second} if generator.random() < 0.25 else {first}
    return tuple(device for index, device in enumerate(DEVICES) if index in chosen)


def _sample_findings(generator: np.random.Generator) -> tuple[PhantomFinding, ...]:
    """Collect distinguishable findings until the wanted number of regions is abnormal."""
    num_regions = generator.choice(_NUM_REGIONS, p=_NUM_REGIONS_CHANCE)
    kinds = list(KINDS)
    chances = np.array([KINDS[kind][0] for kind in kinds])
    found: list[PhantomFinding] = []
    for index in generator.choice(len(kinds), size=len(kinds), replace=False, p=chances / chances.sum()):
        item = sample_finding(generator, kinds[index])
        fits = len(abnormal_regions([*found, item])) <= num_regions
        if fits and not any(hides(item, other) or hides(other, item) for other in found):
            found.append(item)
        if len(abnormal_regions(found)) == num_regions or len(found) == _MAX_FINDINGS:
            break
    return tuple(sorted(found, key=lambda item: kinds.index(item.finding)))


def sample_finding(generator: np.random.Generator, kind: str) -> PhantomFinding:
    _, sides, zones, severities = KINDS[kind]
    side = sides[generator.integers(len(sides))]
    zone = zones[generator.integers(len(zones))]
    # Both lungs are affected at the bases: a sentence for each other pair of places would add nothing.
    if side == "bilateral" and zone is not None:
        zone = "lower"
    return PhantomFinding(kind, side, zone, severities[generator.integers(len(severities))])


def hides(item: PhantomFinding, other: PhantomFinding) -> bool:
    """Say whether the first finding would make the second one unrecognisable in the drawing."""
    if item.finding == "edema":
        return other.finding in LUNG_FINDINGS
    if item.finding == "low lung volumes":
        return other.finding in ("hyperinflation", "elevated diaphragm", "pleural effusion")
    if item.finding == "hyperinflation":
        return other.finding in ("cardiomegaly", "pleural effusion", "elevated diaphragm", "pneumothorax")
    if item.finding == "cardiomegaly":
        return other.zone == "lower" and other.is_on("left")
    if not any(item.is_on(side) and other.is_on(side) for side in ("right", "left")):
        return False
    if item.finding in LOCAL_LUNG_FINDINGS and other.finding in LOCAL_LUNG_FINDINGS:
        return True
    if item.finding == "pleural effusion":
        hidden_zones = ("lower", "mid") if item.severity == "severe" else ("lower",)
        return other.finding == "elevated diaphragm" or other.zone in hidden_zones
    return item.finding == "elevated diaphragm" and other.zone in ("lower", "mid")
