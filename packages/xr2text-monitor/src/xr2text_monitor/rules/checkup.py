"""All rules, asked in turn. The list is the whole registry: a new rule is a function and a line here."""

from xr2text_monitor.rules import learning, life, machine
from xr2text_monitor.rules.emergencies import emergencies
from xr2text_monitor.rules.gpus import GpuRules
from xr2text_monitor.rules.reading import Limits, Reading, Watched


class Checkup:
    """Holds what rules remember from look to look."""

    def __init__(self) -> None:
        self._gpus = GpuRules()

    def readings(self, watched: Watched, limits: Limits, now: float, wall: float) -> list[Reading]:
        """One reading for every rule that applies now; `now` is monotonic, `wall` Unix time."""
        return [
            life.life(watched, wall),
            *life.unreadable(watched),
            *emergencies(watched, wall),
            learning.finite_loss(watched),
            learning.finite_row(watched),
            learning.skipped(watched, wall),
            learning.out_of_memory(watched, wall),
            *learning.trends(watched),
            *machine.disk(watched),
            *machine.command(watched),
            *self._gpus.readings(watched, limits, now, wall),
        ]
