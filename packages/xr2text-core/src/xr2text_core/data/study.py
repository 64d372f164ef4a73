"""What every reader returns: studies, and the reasons why rows were excluded."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from xr2text_core.report.report import Report
from xr2text_core.run.errors import UserError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Prior:
    """The last study of the same patient before this one."""

    image: str  # its frontal film, named as in Study.images
    report: Report  # its section that the run trains on may be empty
    days: float | None = None  # between the two studies; None where the source does not tell


@dataclass(frozen=True)
class Study:
    """One visit of one patient: its images, frontal ones first, and its report."""

    study_id: str
    images: tuple[str, ...]  # absolute paths, or names of phantoms (drawing/names.py); at least one
    views: tuple[str, ...]  # one per image: "PA", "AP", "frontal", "lateral" or "unknown"
    report: Report
    patient_id: str
    split: str  # one of SPLITS
    codes: tuple[str, ...] = ()  # of annotators (IU X-Ray's MeSH), to score with; () where nobody coded the study
    indication: str = ""  # why the film was taken, and the history; "" where nobody says
    prior: Prior | None = None  # of the same split and never later; None where the patient has none

    @property
    def frontal(self) -> str:
        """The image to train on: the first, which is frontal if the study has a frontal one."""
        return self.images[0]

    def films(self, views: str, prior: bool = False) -> tuple[str, ...]:
        """The images that a model sees, in the order of its places: the frontal one, with `views` "all" the first
        lateral one, with `prior` that of the last study. "" at a place without one, if another follows.
        """
        beside = zip(self.images[1:], self.views[1:], strict=True)
        lateral = next((image for image, view in beside if view == "lateral"), "") if views == "all" else ""
        last = self.prior.image if prior and self.prior else ""
        if not last:
            return (self.frontal, lateral) if lateral else (self.frontal,)
        return (self.frontal, lateral, last) if views == "all" else (self.frontal, last)


def film_names(studies: Iterable[Study], views: str, prior: bool) -> list[str]:
    """All images that a model sees of these studies."""
    return [film for study in studies for film in study.films(views, prior) if film]


@dataclass
class LeftOut:
    """Counts what a reader left out, by reason, and keeps the names of the first few of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        self.counts[reason] += 1
        names = self.examples.setdefault(reason, [])
        if len(names) < 5:
            names.append(name)

    def lines(self) -> list[str]:
        """One line per reason: `left out 3: image is missing (a.png, b.png, c.png)`."""
        return [
            f"left out {count}: {reason} ({', '.join(self.examples[reason])}{', ...' if count > 5 else ''})"
            for reason, count in self.counts.most_common()
        ]


@dataclass(frozen=True)
class Dataset:
    """All usable studies of one source."""

    name: str  # "phantom", "manifest", "iu-xray" or "mimic-cxr"
    root: str
    studies: tuple[Study, ...]
    left_out: LeftOut
    notes: tuple[str, ...] = ()  # what a user should know: who split the patients, which films are used
    warnings: tuple[str, ...] = ()  # what spoils scores: leaks between splits, no patient ids, reports not in English

    def split(self, name: str) -> list[Study]:
        return [study for study in self.studies if study.split == name]

    @property
    def why_not_trainable(self) -> str:
        """Why a run that needs training and validation studies cannot have both; "" when it can."""
        missing = [name for name in SPLITS[:2] if not self.split(name)]
        if not missing:
            return ""
        if len({study.patient_id for study in self.studies}) == 1:
            count = "1 study" if len(self.studies) == 1 else f"{len(self.studies)} studies"
            return f"{count} of 1 patient cannot be split; give a split column with train, val and test"
        return f"no study belongs to {' or '.join(missing)}; give both in the split column, or leave the column out"


class DatasetError(UserError):
    """Nothing usable was found; the message names the path and says what to do. Commands end with exit code 2."""
