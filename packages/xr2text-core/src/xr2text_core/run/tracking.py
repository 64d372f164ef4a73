"""Optional curves for TensorBoard, through accelerate's tracker: each row of the history, as soon as it is written."""

import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xr2text_core.run.history import EpochRow

log = logging.getLogger(__name__)


class Curves:
    """The curves of `--track NAME`, in the folder NAME of the run's statistics; without a name it does nothing.

    Optional, like status.json: a failed write is logged once and never aborts training.
    """

    def __init__(self, name: str, statistics: Path, epoch: int) -> None:
        """`epoch` is the first to be added; what was logged from there on before a resume is hidden."""
        self._tracker: Any = None
        if name:
            from accelerate.tracking import TensorBoardTracker

            self._tracker = TensorBoardTracker(name, statistics, purge_step=epoch)
            self._try("start")

    def add(self, row: EpochRow) -> None:
        numbers = {column: value for column, value in asdict(row).items() if isinstance(value, int | float)}
        values = {column: value for column, value in numbers.items() if not math.isnan(value)}
        self._try("log", values, row.epoch)

    def close(self) -> None:
        self._try("finish")

    def _try(self, action: str, *arguments: object) -> None:
        if self._tracker is None:
            return
        try:
            getattr(self._tracker, action)(*arguments)
        except OSError as error:
            log.warning("The curves for %s end here, training continues: %s", self._tracker.name, error)
            self._tracker = None
