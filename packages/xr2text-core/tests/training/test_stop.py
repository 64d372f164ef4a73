"""All ranks stop after the same step, whenever the signal arrives."""

import signal
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from xr2text_core.machine.processes import Processes
from xr2text_core.supervisor.signals import StopAfterStep
from xr2text_core.training.trainer import Trainer


@dataclass(frozen=True)
class Interrupted(Processes):
    """Two ranks, one of which gets a signal while the numbers are exchanged; the other never does."""

    stop: StopAfterStep = field(default_factory=StopAfterStep)

    def most(self, number: int) -> int:
        self.stop._on_signal(signal.SIGTERM, None)
        return number


def should_stop(processes: Processes, stop: StopAfterStep) -> bool:
    trainer: Any = SimpleNamespace(processes=processes)
    return Trainer._should_stop(trainer, stop)


def test_a_signal_that_arrives_during_the_exchange_stops_all_ranks_one_step_later() -> None:
    processes = Interrupted(count=2)
    assert not should_stop(processes, processes.stop)  # the other rank was told 0, and takes another step
    assert should_stop(processes, processes.stop)
    assert processes.stop.number == signal.SIGTERM


def test_a_rank_that_got_no_signal_learns_which_one_it_was() -> None:
    stop = StopAfterStep()
    other: Any = SimpleNamespace(most=lambda number: int(signal.SIGTERM))
    assert should_stop(other, stop)
    assert (stop.name, stop.exit_code) == ("SIGTERM", 143)
