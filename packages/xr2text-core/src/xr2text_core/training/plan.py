"""Which studies each epoch trains on, cut into steps: a function of the settings, so it needs no saving."""

import logging
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from xr2text_core.data.randomness import epoch_order
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.settings.settings import Settings
from xr2text_core.training.curriculum import STAGES, WITHOUT_CURRICULUM, admitted, stage_at, stage_of

log = logging.getLogger(__name__)


class Plan:
    """The epochs of a run. Epochs are 1-based; a study is an index into `study_ids`."""

    def __init__(self, settings: Settings, study_ids: Sequence[str], classes: Sequence[str]) -> None:
        self.settings = settings
        self.study_ids = study_ids
        self.classes = classes
        self._admitted = {stage: self._of_stage(stage) for stage in (*STAGES, WITHOUT_CURRICULUM)}

    @classmethod
    def of(cls, settings: Settings, train: ReadyStudies) -> "Plan":
        """The plan for these training studies."""
        return cls(settings, train.study_ids, [stage_of(labels) for labels in train.labels])

    def stage(self, epoch: int) -> str:
        return stage_at(epoch, self.settings.epochs) if self.settings.curriculum else WITHOUT_CURRICULUM

    def num_studies(self, epoch: int) -> int:
        return len(self._admitted[self.stage(epoch)])

    def num_steps(self, epoch: int) -> int:
        return -(-self.num_studies(epoch) // self.settings.effective_batch)

    @cached_property
    def total_steps(self) -> int:
        """The real number of updates of the whole run, over all stages: what the learning rate is scheduled over."""
        return sum(self.num_steps(epoch) for epoch in range(1, self.settings.epochs + 1))

    def steps(self, epoch: int) -> list[list[int]]:
        """The studies of each step in order; the last step of an epoch may be shorter, no study is left out."""
        order = epoch_order(self.study_ids, self._admitted[self.stage(epoch)], self.settings.seed, epoch)
        size = self.settings.effective_batch
        return [order[start : start + size] for start in range(0, len(order), size)]

    def studies_after(self, epoch: int) -> int:
        """How many studies are trained on in all epochs after this one."""
        return sum(self.num_studies(later) for later in range(epoch + 1, self.settings.epochs + 1))

    def class_sizes(self) -> dict[str, int]:
        counts = Counter(self.classes)
        return {stage: counts[stage] for stage in STAGES}

    def _of_stage(self, stage: str) -> list[int]:
        indices = admitted(self.classes, self.study_ids, stage, self.settings.replay)
        if not indices:
            log.warning("No study belongs to stage %s or is replayed in it; it trains on all of them.", stage)
            return list(range(len(self.classes)))
        return indices
