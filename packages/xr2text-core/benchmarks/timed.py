"""The real trainer with a stopwatch, for the benchmarks: how long its epochs take, validation left out."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the command does, before torch is imported

import time
from collections.abc import Callable, Sequence
from typing import Any

from xr2text_core.inference.evaluation import Evaluation
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.supervisor.signals import StopAfterStep
from xr2text_core.training.trainer import Trainer


class TimedTrainer(Trainer):
    """`epochs_s` has the wall time of every epoch: batches, steps, logging, files and checkpoints."""

    def __init__(self, flags: Sequence[str]) -> None:
        super().__init__(settings_of(parse_arguments(flags)))
        self.epochs_s: list[float] = []
        self._started = 0.0  # of the stretch under way
        self._before_validation = 0.0

    def leave_out(self, seconds: float) -> None:
        """Something else took so long just now; it is no part of the epoch."""
        self._started += seconds

    def _enter_stage(self) -> None:
        self._end_epoch()
        super()._enter_stage()

    def _validate(self, stop: StopAfterStep) -> Evaluation | None:
        self._before_validation = time.perf_counter() - self._started
        evaluation = self.not_timed(stop)
        self._started = time.perf_counter()
        return evaluation

    def not_timed(self, stop: StopAfterStep) -> Evaluation | None:
        """What happens between the last step of an epoch and its row."""
        return super()._validate(stop)

    def _finish(self) -> None:
        self._end_epoch()
        super()._finish()

    def _end_epoch(self) -> None:
        now = time.perf_counter()
        if self._before_validation:
            self.epochs_s.append(self._before_validation + now - self._started)
        self._started = now


class Stopwatch:
    """A function that adds up how long it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.perf_counter() - started

    def take(self) -> float:
        """The seconds since the last call of this."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds
