"""The four stages of the curriculum: which studies a stage admits, and which epochs belong to it.

A stage admits its own class of studies and all simpler ones, and replays a share of the harder ones: a stage of normal
studies alone teaches a model to write the normal report for every study.
"""

import zlib
from collections.abc import Sequence

from xr2text_core.report.labeler import ReportLabels

STAGES = ("normal_cases", "single_region", "multi_region", "complex_cases")
WITHOUT_CURRICULUM = "all_cases"
STAGE_ENDS = (5, 15, 30, 50)  # last epoch of each stage in the guide's 50 epochs; scaled for other numbers


def stage_of(labels: ReportLabels) -> str:
    """The class of a study: how abnormal it is, by the labels of its report.

    normal_cases: nothing abnormal; single_region: one abnormal region (or none that the report names); multi_region:
    two; complex_cases: three regions or more, or at least five findings.
    """
    if labels.is_normal:
        return STAGES[0]
    num_regions = len(labels.regions)
    if num_regions >= 3 or len(labels.present) >= 5:
        return STAGES[3]
    return STAGES[2] if num_regions == 2 else STAGES[1]


def stage_at(epoch: int, num_epochs: int) -> str:
    """The stage of a 1-based epoch. Shorter runs keep the proportions; every stage has an epoch from 4 epochs on."""
    for stage, end in zip(STAGES, stage_ends(num_epochs), strict=True):
        if epoch <= end:
            return stage
    return STAGES[-1]


def stage_ends(num_epochs: int) -> tuple[int, ...]:
    """The last epoch of each stage, scaled from 5, 15, 30, 50 to `num_epochs`."""
    ends: list[int] = []
    for end in STAGE_ENDS:
        scaled = round(end * num_epochs / STAGE_ENDS[-1])
        ends.append(max(scaled, ends[-1] + 1 if ends else 1))
    return tuple(min(end, num_epochs) for end in ends)


def admitted(classes: Sequence[str], study_ids: Sequence[str], stage: str, replay: float) -> list[int]:
    """Indices of the studies that a stage trains on: its class, all simpler ones, `replay` (0..1) of the harder ones.

    Which harder studies are replayed depends on their id alone, so a resume and every worker agree.
    """
    if stage == WITHOUT_CURRICULUM:
        return list(range(len(classes)))
    reach = STAGES.index(stage)
    return [
        index
        for index, (name, study_id) in enumerate(zip(classes, study_ids, strict=True))
        if STAGES.index(name) <= reach or _draw(study_id) < replay
    ]


def _draw(study_id: str) -> float:
    """A fixed pseudo-random number in 0..1 for a study."""
    return zlib.crc32(study_id.encode()) / 2**32
