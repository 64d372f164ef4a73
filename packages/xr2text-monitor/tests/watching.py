"""A healthy training as the rules see it, and the alerts that stand after a look. Not a test itself."""

from dataclasses import replace

from xr2text_monitor.alerts import Alert, AlertBook, Limits, Watched
from xr2text_monitor.hardware.gpu import Gpu
from xr2text_monitor.hardware.host import Host
from xr2text_monitor.readers.history import EpochRow, History
from xr2text_monitor.readers.run_files import Event, RunInfo, Status
from xr2text_monitor.state import RunState

NOW = 1e9
IDLE_GPU = Gpu(0, "NVIDIA X", utilisation=0, temperature_c=60, memory_used_mib=1000, memory_total_mib=8188)
CALM = Watched(
    RunState("training", "pid 1 runs", 1.0),
    Status(state="training", device="NVIDIA X", loss=2.0),
    History(),
    (),
    (),
    RunInfo(),
    (replace(IDLE_GPU, utilisation=97),),
    Host(disk_free=10**12),
)


def with_gpu(**changes: object) -> Watched:
    return replace(CALM, gpus=(replace(CALM.gpus[0], **changes),))  # type: ignore[arg-type]


def keys(book: AlertBook, watched: Watched, now: float = 0.0) -> list[str]:
    book.update(watched, now, NOW + now)
    return [alert.key for alert in book.standing]


def look(watched: Watched, now: float = 0.0) -> dict[str, Alert]:
    """The alerts after a single look."""
    book = AlertBook(Limits())
    book.update(watched, now, NOW + now)
    return {alert.key: alert for alert in book.standing}


def with_events(*events: Event, **changes: object) -> Watched:
    return replace(CALM, events=events, **changes)  # type: ignore[arg-type]


def event(kind: str, age_s: float = 60.0, message: str = "what happened", **fields: object) -> Event:
    return Event(NOW - age_s, kind, message, **fields)  # type: ignore[arg-type]


def rows(*rows: EpochRow) -> History:
    """A history of these rows, as the reader would build it."""
    history = History(last=rows[-1])
    for row in rows:
        history.epochs.append(row.epoch)
        for name, column in history.columns.items():
            value = getattr(row, name)
            column.append(float("nan") if value is None else value)
        if not history.stages or history.stages[-1][1] != row.stage:
            history.stages.append((row.epoch, row.stage))
        if row.is_best:
            history.best = row
    return history
