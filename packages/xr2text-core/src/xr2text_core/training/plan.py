"""Which studies each epoch trains on, cut into steps: a function of the settings, so it needs no saving."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from xr2text_core.data.randomness import epoch_order
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.settings.settings import Settings
from xr2text_core.training.curriculum import STAGES, WITHOUT_CURRICULUM, admitted, stage_at, stage_of

# Where one of these changes, the epochs of a run are others.
SHAPE_THE_PLAN = ("epochs", "curriculum", "replay", "seed", "data", "section", "num_studies", "desk", "data_seed")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Since:
    """From where a plan counts: the start of the run, or the position at which it took over from another plan."""

    epoch: int = 1
    num_studies: int = 0  # of that epoch, seen by then
    share: float = 0.0  # of the curve of the learning rate that was done by then, 0..1
    stage: str = ""  # simpler stages do not come back


START = Since()


class Plan:
    """The epochs of a run. Epochs are 1-based; a study is an index into `study_ids`."""

    def __init__(
        self, settings: Settings, study_ids: Sequence[str], classes: Sequence[str], since: Since = START
    ) -> None:
        self.settings = settings
        self.study_ids = study_ids
        self.classes = classes
        self.since = since
        self._admitted = {stage: self._of_stage(stage) for stage in (*STAGES, WITHOUT_CURRICULUM)}

    @classmethod
    def of(cls, settings: Settings, train: ReadyStudies, since: Since = START) -> "Plan":
        """The plan for these training studies."""
        return cls(settings, train.study_ids, [stage_of(labels) for labels in train.labels], since)

    def taking_over(self, old: Settings, since: Since, epoch: int, num_studies: int, rewarm: bool) -> "Plan":
        """This plan from there on, where a run with the settings `old` has seen so many studies of this epoch.

        Where the epochs are others now, the learning rate falls on from where it is and reaches its floor at the new
        end; `rewarm` begins its curve again. Stages never go back, and the epoch under way ends as it began.
        """
        if any(getattr(self.settings, name) != getattr(old, name) for name in SHAPE_THE_PLAN):
            before = Plan(old, self.study_ids, self.classes, since)
            has_stage = self.settings.curriculum and old.curriculum
            share = 0.0 if rewarm else before.share(epoch, num_studies)
            since = Since(epoch, num_studies, share, before.stage(epoch) if has_stage else "")
        return Plan(self.settings, self.study_ids, self.classes, since)

    def stage(self, epoch: int) -> str:
        if not self.settings.curriculum:
            return WITHOUT_CURRICULUM
        stage, reached = stage_at(epoch, self.settings.epochs), self.since.stage
        if not reached or epoch < self.since.epoch:
            return stage
        is_under_way = epoch == self.since.epoch and self.since.num_studies > 0
        return reached if is_under_way else max(stage, reached, key=STAGES.index)

    def num_studies(self, epoch: int) -> int:
        return len(self._admitted[self.stage(epoch)])

    def num_steps(self, epoch: int, seen: int = 0) -> int:
        """How many updates an epoch has left after `seen` of its studies."""
        return -(-max(0, self.num_studies(epoch) - seen) // self.settings.effective_batch)

    @cached_property
    def total_steps(self) -> int:
        """The number of updates of all epochs."""
        return sum(self.num_steps(epoch) for epoch in range(1, self.settings.epochs + 1))

    def share(self, epoch: int, num_studies: int) -> float:
        """How much of the curve of the learning rate is done after so many studies of this epoch, 0..1.

        It counts studies, so another number of studies in an update moves along the same curve.
        """
        place = max(0, min(epoch - self.since.epoch, len(self._before) - 1))
        seen = self._before[place] + num_studies - self.since.num_studies
        all_of_them = self._before[-1] - self.since.num_studies
        done = min(1.0, seen / all_of_them) if all_of_them > 0 else 1.0
        return self.since.share + (1 - self.since.share) * done

    def steps(self, epoch: int, seen: int = 0) -> list[list[int]]:
        """The studies of each step after the first `seen` of an epoch; the last may be shorter, none is left out."""
        order = epoch_order(self.study_ids, self._admitted[self.stage(epoch)], self.settings.seed, epoch)
        size = self.settings.effective_batch
        return [order[start : start + size] for start in range(seen, len(order), size)]

    def studies_after(self, epoch: int) -> int:
        """How many studies are trained on in all epochs after this one."""
        return sum(self.num_studies(later) for later in range(epoch + 1, self.settings.epochs + 1))

    def class_sizes(self) -> dict[str, int]:
        counts = Counter(self.classes)
        return {stage: counts[stage] for stage in STAGES}

    @cached_property
    def _before(self) -> list[int]:
        """Studies from the beginning of the epoch of `since` to that of each later one, and to the end of the run."""
        epochs = range(self.since.epoch, self.settings.epochs + 1)
        return [0, *accumulate(self.num_studies(epoch) for epoch in epochs)]

    def _of_stage(self, stage: str) -> list[int]:
        indices = admitted(self.classes, self.study_ids, stage, self.settings.replay)
        if not indices:
            log.warning("No study belongs to stage %s or is replayed in it; it trains on all of them.", stage)
            return list(range(len(self.classes)))
        return indices
