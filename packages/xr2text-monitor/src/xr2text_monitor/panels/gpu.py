"""The GPUs: utilisation, temperature, memory, power, fan, clocks. A dash for what cannot be read."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.gpu import Gpu
from xr2text_monitor.ink import BAD, FIRST, MUTED, SECOND, STRONG, Piece, bar, label, line
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.sampler import Snapshot

MAX_SHORT = 4
MAX_GPUS = 8


class GpuPanel(Panel):
    TITLE = "GPU"

    def num_lines(self, snapshot: Snapshot) -> int:
        count = len(snapshot.gpu.gpus)
        if count == 0:
            return 1
        if not self.is_boxed:
            return 2 if count == 1 else min(count, MAX_SHORT)
        return 4 if count == 1 else min(count, MAX_GPUS)

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        gpus = snapshot.gpu.gpus
        if not gpus:
            return [label("GPU", (f"{t.DASH} {snapshot.gpu.note}", MUTED))]
        warned = {alert.key for alert in snapshot.alerts}
        if len(gpus) == 1 and height >= 4:
            return _large(gpus[0], warned, width)
        if len(gpus) == 1:
            return [_row(gpus[0], warned, width, True), _second_row(gpus[0])]
        shown = [_row(gpu, warned, width, False) for gpu in gpus[:height]]
        if len(gpus) > height:
            shown[-1] = line((f"{len(gpus) - height + 1} more GPUs: xr2text-monitor --once lists all", MUTED))
        return shown


def _large(gpu: Gpu, warned: set[str], width: int) -> list[Content]:
    cells = max(6, min(24, width - 40))
    return [
        label(f"GPU {gpu.index}", (_name(gpu), STRONG), (_note(gpu), MUTED)),
        label("busy", *_busy(gpu, cells), ("   temp ", MUTED), _temperature(gpu, warned), _slow(gpu, warned)),
        label("memory", *_memory(gpu, warned, cells), f" {_gib(gpu)}"),
        label("power", *_power(gpu), ("   fan ", MUTED), t.unit(gpu.fan_percent, "%"), *_clocks(gpu)),
    ]


def _row(gpu: Gpu, warned: set[str], width: int, is_only: bool) -> Content:
    """One GPU in one line; where several share a narrow panel, the number alone tells how busy it is."""
    if gpu.note:
        return label(f"GPU {gpu.index}", (f"{t.DASH} {gpu.note}", MUTED))
    cells = 12 if width >= 100 else 7 if width >= 70 else 4
    busy = _busy(gpu, cells) if width >= 70 else _busy(gpu, 0)
    pieces: list[Piece] = [*busy, "  ", _temperature(gpu, warned), _slow(gpu, warned), "  "]
    pieces += [*_memory(gpu, warned, cells), f" {_gib(gpu)}", "  ", *_power(gpu)]
    if not is_only and width >= 70:
        pieces.append((f"  {_name(gpu)}", MUTED))
    return label(f"GPU {gpu.index}", *pieces)


def _second_row(gpu: Gpu) -> Content:
    return label(
        "", ("fan ", MUTED), t.unit(gpu.fan_percent, "%"), *_clocks(gpu), (f"  {_name(gpu)}{_note(gpu)}", MUTED)
    )


def _name(gpu: Gpu) -> str:
    return (gpu.name or "name unknown") + (" (split by MIG)" if gpu.mig else "")


def _note(gpu: Gpu) -> str:
    return f"  {gpu.note}" if gpu.note else ""


def _busy(gpu: Gpu, cells: int) -> list[Piece]:
    share = None if gpu.utilisation is None else gpu.utilisation / 100
    return [*bar(share, cells, FIRST), (f" {t.unit(gpu.utilisation, '%'):>5}", STRONG)]


def _temperature(gpu: Gpu, warned: set[str]) -> Piece:
    text = f"{t.unit(gpu.temperature_c, '°C'):>5}"
    return (f"{text} ▲", f"{STRONG} {BAD}") if f"temperature_{gpu.index}" in warned else (text, STRONG)


def _slow(gpu: Gpu, warned: set[str]) -> Piece:
    return (" slowed ▲", BAD) if f"throttling_{gpu.index}" in warned else ""


def _memory(gpu: Gpu, warned: set[str], cells: int) -> list[Piece]:
    used, total = gpu.memory_used_mib, gpu.memory_total_mib
    share = None if used is None or not total else used / total
    is_over = f"memory_{gpu.index}" in warned
    percent = f" {t.unit(None if share is None else 100 * share, '%'):>5}" + (" ▲" if is_over else "")
    return [*bar(share, cells, BAD if is_over else SECOND), (percent, f"{STRONG} {BAD}" if is_over else STRONG)]


def _gib(gpu: Gpu) -> str:
    return f"{t.gib(gpu.memory_used_mib)}/{t.gib(gpu.memory_total_mib)} GiB"


def _power(gpu: Gpu) -> list[Piece]:
    return [f"{t.whole(gpu.power_w)}/{t.whole(gpu.power_limit_w)} W"]


def _clocks(gpu: Gpu) -> list[Piece]:
    return [("   clocks ", MUTED), f"{t.whole(gpu.clock_mhz)}/{t.whole(gpu.memory_clock_mhz)} MHz"]
