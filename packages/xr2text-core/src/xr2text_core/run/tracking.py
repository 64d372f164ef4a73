"""Optional curves for TensorBoard, trackio or wandb, through accelerate's trackers: each row of the history, as soon as
it is written."""

import logging
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xr2text_core.run.history import EpochRow

log = logging.getLogger(__name__)

PROJECT = "xr2text"  # in trackio and wandb; TensorBoard's runs are folders


class Curves:
    """The curves of `--track NAME`; without a name it does nothing.

    Optional, like status.json: whatever a tracker raises is logged once and never aborts training.
    """

    def __init__(self, name: str, statistics: Path, epoch: int) -> None:
        """`statistics` is the folder of the run; `epoch` is the first to be added."""
        self._name = name
        self._tracker: Any = None
        if name:
            self._try(lambda: self._start(statistics, epoch))

    def add(self, row: EpochRow) -> None:
        numbers = {column: value for column, value in asdict(row).items() if isinstance(value, int | float)}
        del numbers["step"]  # a word of the trackers' own: theirs counts epochs
        values = {column: value for column, value in numbers.items() if not math.isnan(value)}
        if self._tracker is not None:
            self._try(lambda: self._tracker.log(values, row.epoch))

    def close(self) -> None:
        if self._tracker is not None:
            self._try(self._tracker.finish)

    def _start(self, statistics: Path, epoch: int) -> None:
        self._tracker = _tracker(self._name, statistics, epoch)
        self._tracker.start()

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # of a disk, a server, or another version: nothing of it is ours
            log.warning("The curves for %s end here, training continues: %s", self._name, error)
            self._tracker = None


def _tracker(name: str, statistics: Path, epoch: int) -> Any:
    """A tracker of accelerate. Only TensorBoard's can hide what an earlier attempt logged from `epoch` on; in the
    others a resumed start is a run of its own."""
    from accelerate import tracking

    if name == "tensorboard":
        return tracking.TensorBoardTracker(name, statistics, purge_step=epoch)
    run = statistics.name if epoch == 1 else f"{statistics.name} from epoch {epoch}"
    if name == "trackio":
        return tracking.TrackioTracker(PROJECT, name=run)
    mode = os.environ.get("WANDB_MODE", "offline")  # the network is a choice
    return tracking.WandBTracker(PROJECT, name=run, dir=str(statistics), mode=mode, settings={"console": "off"})
