"""Studies as their sources tell them, and turning them into a Dataset."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xr2text_core.data.priors import NOWHERE, Place, with_priors
from xr2text_core.data.readers.texts import LABELS_DO_NOT_APPLY, are_english
from xr2text_core.data.readers.views import VIEW_ORDER
from xr2text_core.data.splits import SPLIT_BY_HASH, assign_splits, leaks_between
from xr2text_core.data.study import Dataset, DatasetError, LeftOut, Study
from xr2text_core.report.report import Report

SECOND_REPORT = "a second, different report of the same study (its image is kept)"
NOT_ENGLISH = f"{LABELS_DO_NOT_APPLY}; train with --no-curriculum"

NOT_CHECKED = "no patient ids: whether studies of one person are in different splits cannot be checked"
CHOICES = {
    "lateral": "studies with only lateral films, of which the first is used",
    "unknown": "studies with several films of unknown view, of which the first is used",
    "frontal": "studies with several frontal films, of which the first is used",
}


@dataclass(frozen=True)
class Record:
    """A study as read from its source, before empty reports are excluded and splits assigned."""

    study_id: str
    images: tuple[tuple[str, str], ...]  # (absolute path, view)
    findings: str
    impression: str
    patient_id: str  # "" if the source has none
    split: str = ""  # one of SPLITS, or "" if the source has none
    indication: str = ""  # and history; "" if the source has none
    place: Place = NOWHERE  # among the studies of the patient
    codes: tuple[str, ...] = ()  # of annotators


def merged(records: Iterable[Record], left_out: LeftOut) -> list[Record]:
    """Join the records of one study: all its images, and the first report. Its parts in two splits stay apart."""
    studies: dict[tuple[str, str], dict[str, Record]] = {}  # by patient and study, then by split
    for record in records:
        # the patient too, because some sources number the studies of each patient from 1
        parts = studies.setdefault((record.patient_id, record.study_id), {})
        split = record.split or next(iter(parts), "")
        if "" in parts and split:
            parts[split] = replace(parts.pop(""), split=split)
        known = parts.get(split)
        parts[split] = record if known is None else _joined(known, record, left_out)
    return [part for parts in studies.values() for part in parts.values()]


def _joined(known: Record, record: Record, left_out: LeftOut) -> Record:
    known_text, text = (known.findings, known.impression), (record.findings, record.impression)
    if any(text) and any(known_text) and text != known_text:
        left_out.add(SECOND_REPORT, record.study_id)
    findings, impression = known_text if any(known_text) else text
    images = tuple((dict(known.images) | dict(record.images)).items())
    place = known.place if known.place.time or known.place.prior_id else record.place
    indication = known.indication or record.indication
    return replace(known, images=images, findings=findings, impression=impression, indication=indication, place=place)


def dataset_of(
    name: str,
    root: Path,
    records: Iterable[Record],
    left_out: LeftOut,
    layout: str = "",
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    lost: Collection[str] = (),
) -> Dataset:
    """Exclude records without text or images, order images, assign splits, find priors; DatasetError if none is left.

    `lost` are the ids of studies that are not among the records, because nothing of them could be read.
    """
    records = list(records)
    usable = [record for record in records if _is_usable(record, left_out)]
    if not usable:
        why = "; ".join(left_out.lines()) or "no rows were found"
        raise DatasetError(f"no usable study in {root}: {why}. {layout}".strip())
    given = [(record.patient_id or record.study_id, record.split) for record in usable]
    split_of, split_notes = assign_splits(given)
    alone = [_study(record, split_of[pair], pair[0]) for record, pair in zip(usable, given, strict=True)]
    gone = {*lost, *(record.study_id for record in records)}
    studies, date_notes = with_priors(alone, [record.place for record in usable], gone)
    if not any(record.patient_id for record in usable):
        is_given = [NOT_CHECKED] if any(record.split for record in usable) else []
        split_notes = [*is_given, *(note for note in split_notes if note != SPLIT_BY_HASH)]
    all_notes = (*notes, *split_notes, *date_notes, *_about_views(studies))
    all_warnings = (*warnings, *_without_patients(usable), *leaks_between(given), *_not_english(studies))
    return Dataset(name, str(root), studies, left_out, all_notes, all_warnings)


def _is_usable(record: Record, left_out: LeftOut) -> bool:
    if not record.images:
        left_out.add("study without any image", record.study_id)
        return False
    if not (record.findings or record.impression):
        left_out.add("the report is empty", record.study_id)
        return False
    return True


def _study(record: Record, split: str, patient_id: str) -> Study:
    images = record.images
    if len(images) > 1:
        images = tuple(sorted(dict(images).items(), key=lambda image: VIEW_ORDER[image[1]]))
    paths, views = zip(*images, strict=True)
    report = Report(record.findings, record.impression)
    return Study(record.study_id, paths, views, report, patient_id, split, record.codes, record.indication)


def _without_patients(records: Sequence[Record]) -> list[str]:
    """Tell the truth about a split that we made of studies whose patients nobody knows."""
    ours = [record for record in records if not record.split]
    num_without = sum(not record.patient_id for record in ours)
    if not num_without:
        return []
    which = "no patient ids" if num_without == len(ours) else f"{num_without} of {len(ours)} studies without patient id"
    return [
        f"{which}: each such study was split (80/10/10) by a hash of its own id, so studies of one person may be in "
        "different splits and scores may be too high; give a column patient_id"
    ]


def _not_english(studies: Sequence[Study]) -> list[str]:
    return [] if are_english([study.report.findings or study.report.impression for study in studies]) else [NOT_ENGLISH]


def _about_views(studies: Sequence[Study]) -> list[str]:
    """Say which film is used where it may not be the one that a reader expects."""
    counts = Counter(_kind_of_choice(study.views) for study in studies)
    return [f"{text}: {counts[kind]}" for kind, text in CHOICES.items() if counts[kind]]


def _kind_of_choice(views: Sequence[str]) -> str:
    if views[0] == "lateral":
        return "lateral"
    if len(views) == 1:
        return ""
    if views[0] == "unknown":
        return "unknown"
    return "frontal" if VIEW_ORDER[views[1]] == VIEW_ORDER["frontal"] else ""
