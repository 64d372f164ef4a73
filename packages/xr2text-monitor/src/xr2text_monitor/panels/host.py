"""The machine: CPU, RAM, the trainer's own memory, and room on the disk of the checkpoints."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.ink import BAD, FIRST, MUTED, SECOND, STRONG, Piece, bar, label
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.sampler import Snapshot


class HostPanel(Panel):
    TITLE = "machine"

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        host = snapshot.host
        share = None if host.memory_used is None or not host.memory_total else host.memory_used / host.memory_total
        cpu: list[Piece] = [(f" {t.unit(host.cpu_percent, '%'):>5}", STRONG)]
        memory = f" {t.size(host.memory_used)} of {t.size(host.memory_total)}"
        is_full = any(alert.key == "disk" for alert in snapshot.alerts)
        disk: Piece = (
            f"{t.size(host.disk_free)} free" + (" ▲" if is_full else ""),
            f"{STRONG} {BAD}" if is_full else STRONG,
        )
        own: list[Piece] = [("  trainer ", MUTED), t.size(host.trainer_memory)]
        if height < 3:
            return [
                label(
                    "CPU",
                    (t.unit(host.cpu_percent, "%"), STRONG),
                    ("  RAM", MUTED),
                    memory,
                    *own,
                    ("  disk ", MUTED),
                    disk,
                )
            ]
        cells = max(6, min(24, width - 40))
        busy = None if host.cpu_percent is None else host.cpu_percent / 100
        return [
            label("CPU", *bar(busy, cells, FIRST), *cpu, *own),
            label("RAM", *bar(share, cells, SECOND), memory),
            label("disk", disk, (" of ", MUTED), t.size(host.disk_total)),
        ]
