"""The machine: CPU, RAM, the trainer's own memory, and room on the disk of the checkpoints."""

import socket

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import FIRST, MUTED, SECOND, STRONG, Piece, bar, label
from xr2text_monitor.panels.alerts import look_of
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.snapshot import Snapshot

SLIM = 60  # columns of a screen; as in the application's breakpoints


class HostPanel(Panel):
    TITLE = "machine"

    def num_lines(self, snapshot: Snapshot) -> int | None:
        """Two where one is too narrow."""
        return 2 if self.app.size.width < SLIM else None

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        host = snapshot.host
        self.border_title = f"machine{whose_machine(snapshot)}"
        share = None if host.memory_used is None or not host.memory_total else host.memory_used / host.memory_total
        cpu: list[Piece] = [(f" {t.unit(host.cpu_percent, '%'):>5}", STRONG)]
        memory = f" {t.size(host.memory_used)} of {t.size(host.memory_total)}"
        full = next((look_of(alert)[1] for alert in snapshot.alerts if alert.key == "disk"), "")
        disk: Piece = (f"{t.size(host.disk_free)} free" + (" ▲" if full else ""), f"{STRONG} {full}".strip())
        own: list[Piece] = [("  trainer ", MUTED), t.size(host.trainer_memory)]
        if height < 3:
            first: list[Piece] = [(t.unit(host.cpu_percent, "%"), STRONG), ("  RAM", MUTED), memory]
            second: list[Piece] = [*own, ("  disk ", MUTED), disk]
            return [label("CPU", *first), label("", *second)] if height == 2 else [label("CPU", *first, *second)]
        cells = max(6, min(24, width - 40))
        busy = None if host.cpu_percent is None else host.cpu_percent / 100
        return [
            label("CPU", *bar(busy, cells, FIRST), *cpu, *own),
            label("RAM", *bar(share, cells, SECOND), memory),
            label("disk", disk, (" of ", MUTED), t.size(host.disk_total)),
        ]


def whose_machine(snapshot: Snapshot) -> str:
    """What must be said beside the numbers of this machine where the run works on another one; else empty."""
    return f" of {socket.gethostname()}, not of {snapshot.other_host}, where the run is" if snapshot.other_host else ""
