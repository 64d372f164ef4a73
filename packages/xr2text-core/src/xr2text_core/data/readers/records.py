"""Studies as their sources tell them, and turning them into a Dataset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.readers.views import VIEW_ORDER
from xr2text_core.data.splits import assign_splits
from xr2text_core.data.study import Dataset, DatasetError, LeftOut, Study
from xr2text_core.report.report import Report


@dataclass(frozen=True)
class Record:
    """A study as its source tells it: before empty reports are left out and splits are assigned."""

    study_id: str
    images: tuple[tuple[str, str], ...]  # (absolute path, view)
    findings: str
    impression: str
    patient_id: str
    split: str = ""  # one of SPLITS, or "" when the source gives none


def dataset_of(
    name: str, root: Path, records: Iterable[Record], left_out: LeftOut, notes: Sequence[str] = (), layout: str = ""
) -> Dataset:
    """Leave out records without text or images, order images, assign splits. DatasetError if nothing is left."""
    usable = [record for record in records if _is_usable(record, left_out)]
    if not usable:
        why = "; ".join(left_out.lines()) or "no rows were found"
        raise DatasetError(f"no usable study in {root}: {why}. {layout}".strip())
    split_of, split_notes = assign_splits((record.patient_id, record.split) for record in usable)
    studies = tuple(_study(record, split_of[record.patient_id, record.split]) for record in usable)
    return Dataset(name, str(root), studies, left_out, (*notes, *split_notes))


def _is_usable(record: Record, left_out: LeftOut) -> bool:
    if not record.images:
        left_out.add("study without any image", record.study_id)
        return False
    if not (record.findings or record.impression):
        left_out.add("the report is empty", record.study_id)
        return False
    return True


def _study(record: Record, split: str) -> Study:
    images = record.images
    if len(images) > 1:
        images = tuple(sorted(dict(images).items(), key=lambda image: VIEW_ORDER[image[1]]))
    paths, views = zip(*images, strict=True)
    return Study(record.study_id, paths, views, Report(record.findings, record.impression), record.patient_id, split)
