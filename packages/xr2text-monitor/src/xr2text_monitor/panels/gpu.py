"""The GPUs: utilisation, temperature, memory, power, fan, clocks. A dash for what cannot be read."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import FIRST, MUTED, SECOND, STRONG, Piece, bar, label, line
from xr2text_monitor.hardware.gpu import Gpu
from xr2text_monitor.panels.alerts import look_of
from xr2text_monitor.panels.host import whose_machine
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.snapshot import Snapshot

MAX_SHORT = 4
MAX_GPUS = 8

Styles = dict[str, str]  # of the alerts that stand, by their key


class GpuPanel(Panel):
    TITLE = "GPU"

    def num_lines(self, snapshot: Snapshot) -> int:
        count = len(snapshot.gpu.gpus)
        if count == 0:
            return 1
        if not self.is_boxed:
            return (2 if count == 1 else min(count, MAX_SHORT)) + bool(_whose(snapshot))
        return 4 if count == 1 else min(count, MAX_GPUS)

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        whose, gpus = _whose(snapshot), snapshot.gpu.gpus
        self.border_title = f"GPU{whose}"
        if not gpus:
            return [label("GPU", (f"{t.DASH} {snapshot.gpu.note}", MUTED))]
        styles = {alert.key: look_of(alert)[1] for alert in snapshot.alerts}
        if whose and not self.is_boxed:
            return [line((f"GPU{whose}", MUTED)), *_rows(gpus, styles, width, height - 1)]
        return _rows(gpus, styles, width, height)


def _whose(snapshot: Snapshot) -> str:
    """What must be said beside GPUs that are not the run's."""
    is_on_cpu = snapshot.status is not None and snapshot.status.device == "cpu"
    return whose_machine(snapshot) or (", not used: the run is on the CPU" if is_on_cpu else "")


def _rows(gpus: tuple[Gpu, ...], styles: Styles, width: int, height: int) -> list[Content]:
    if len(gpus) == 1 and height >= 4:
        return _large(gpus[0], styles, width)
    if len(gpus) == 1:
        return [_row(gpus[0], styles, width, True), _second_row(gpus[0], width)]
    shown = [_row(gpu, styles, width, False) for gpu in gpus[:height]]
    if len(gpus) > height:
        shown[-1] = line((f"{len(gpus) - height + 1} more GPUs: xr2text-monitor --once lists all", MUTED))
    return shown


def _large(gpu: Gpu, styles: Styles, width: int) -> list[Content]:
    cells = max(6, min(24, width - 40))
    return [
        label(f"GPU {gpu.index}", (_name(gpu), STRONG), (_note(gpu), MUTED)),
        label("busy", *_busy(gpu, cells), ("   temp ", MUTED), _temperature(gpu, styles), _slow(gpu, styles)),
        label("memory", *_memory(gpu, styles, cells), f" {_gib(gpu)}"),
        label("power", *_power(gpu), ("   fan ", MUTED), t.unit(gpu.fan_percent, "%"), *_clocks(gpu)),
    ]


def _row(gpu: Gpu, styles: Styles, width: int, is_only: bool) -> Content:
    """One GPU in one line; where the panel is narrow, the numbers alone tell how busy and how full it is."""
    if gpu.note:
        return label(f"GPU {gpu.index}", (f"{t.DASH} {gpu.note}", MUTED))
    cells = 12 if width >= 100 else 7 if width >= 70 else 4 if width >= 56 else 0
    busy = _busy(gpu, cells) if width >= 70 else _busy(gpu, 0)
    pieces: list[Piece] = [*busy, "  ", _temperature(gpu, styles), _slow(gpu, styles), "  "]
    if cells:
        pieces += [*_memory(gpu, styles, cells), f" {_gib(gpu)}", "  ", *_power(gpu)]
    else:
        pieces.append((_gib(gpu), styles.get(f"memory_{gpu.index}", "")))
    if not is_only and width >= 70:
        pieces.append((f"  {_name(gpu)}", MUTED))
    return label(f"GPU {gpu.index}", *pieces)


def _second_row(gpu: Gpu, width: int) -> Content:
    power: list[Piece] = [] if width >= 56 else [*_power(gpu), "  "]
    pieces = [("fan ", MUTED), t.unit(gpu.fan_percent, "%"), *_clocks(gpu), (f"  {_name(gpu)}{_note(gpu)}", MUTED)]
    return label("", *power, *pieces)


def _name(gpu: Gpu) -> str:
    return (gpu.name or "name unknown") + (" (split by MIG)" if gpu.mig else "")


def _note(gpu: Gpu) -> str:
    return f"  {gpu.note}" if gpu.note else ""


def _busy(gpu: Gpu, cells: int) -> list[Piece]:
    share = None if gpu.utilisation is None else gpu.utilisation / 100
    return [*bar(share, cells, FIRST), (f" {t.unit(gpu.utilisation, '%'):>5}", STRONG)]


def _temperature(gpu: Gpu, styles: Styles) -> Piece:
    text, style = f"{t.unit(gpu.temperature_c, '°C'):>5}", styles.get(f"temperature_{gpu.index}")
    return (text, STRONG) if style is None else (f"{text} ▲", f"{STRONG} {style}")


def _slow(gpu: Gpu, styles: Styles) -> Piece:
    style = styles.get(f"throttling_{gpu.index}")
    return "" if style is None else (" slowed ▲", style)


def _memory(gpu: Gpu, styles: Styles, cells: int) -> list[Piece]:
    used, total = gpu.memory_used_mib, gpu.memory_total_mib
    share = None if used is None or not total else used / total
    style = styles.get(f"memory_{gpu.index}")
    percent = f" {t.unit(None if share is None else 100 * share, '%'):>5}" + (" ▲" if style else "")
    return [*bar(share, cells, style or SECOND), (percent, f"{STRONG} {style}" if style else STRONG)]


def _gib(gpu: Gpu) -> str:
    return f"{t.gib(gpu.memory_used_mib)}/{t.gib(gpu.memory_total_mib)} GiB"


def _power(gpu: Gpu) -> list[Piece]:
    return [f"{t.whole(gpu.power_w)}/{t.whole(gpu.power_limit_w)} W"]


def _clocks(gpu: Gpu) -> list[Piece]:
    return [("   clocks ", MUTED), f"{t.whole(gpu.clock_mhz)}/{t.whole(gpu.memory_clock_mhz)} MHz"]
