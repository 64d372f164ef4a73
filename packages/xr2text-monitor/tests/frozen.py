"""Snapshots of one fixed moment, for pictures and tests that must come out the same every time. Not a test."""

from array import array
from dataclasses import replace
from pathlib import Path

from fake_run import FakeRun

from xr2text_monitor.alerts import Alert
from xr2text_monitor.hardware.gpu import Gpu, GpuReport
from xr2text_monitor.hardware.host import Host
from xr2text_monitor.readers.history import HistoryReader
from xr2text_monitor.readers.run_files import (
    EventsReader,
    JsonReader,
    RunFolder,
    list_checkpoints,
    run_info_from,
    status_from,
)
from xr2text_monitor.sampler import Snapshot
from xr2text_monitor.state import RunState

NOW = 1_795_400_000.0  # 23 November 2026, 02:13 UTC
LAPTOP = Gpu(
    0,
    "NVIDIA GeForce RTX 4060 Laptop GPU",
    utilisation=97,
    temperature_c=78,
    memory_used_mib=6120,
    memory_total_mib=8188,
    power_w=84.6,
    power_limit_w=115,
    clock_mhz=2160,
    memory_clock_mhz=8001,
    throttling=(),
)
FOLDER = RunFolder(Path("/srv/xray/data/statistics"), Path("/srv/xray/checkpoints"), out=Path("/srv/xray"))
HOST = Host(37.0, 9_400_000_000, 16_400_000_000, 182_000_000_000, 512_000_000_000, 3_900_000_000)
ALERTS = (
    Alert(
        "temperature_0",
        "GPU 0 at 88 °C, above 85 °C",
        "improve cooling: raise the laptop, free its vents",
        NOW - 95,
        88,
        severity="critical",
        group="GPU 0",
    ),
    Alert(
        "memory_0",
        "GPU 0 memory 7.62 GiB, above 7.50 GiB",
        "reduce the batch: half of --batch, twice of --accumulation",
        NOW - 30,
        7800,
        group="GPU 0",
    ),
)


def typical(folder: Path) -> Snapshot:
    """A healthy training in its thirteenth epoch."""
    run = FakeRun(folder, now=NOW)
    run.typical()
    run.status(device=LAPTOP.name, pid=4242)
    contents = JsonReader(run.statistics / "status.json").read()
    assert contents is not None
    status = status_from(contents)
    events = tuple(EventsReader(run.statistics / "events.jsonl").read())
    return Snapshot(
        NOW,
        FOLDER,
        RunState("training", "pid 4242 runs", 0.4, 60.0),
        status,
        run_info_from(JsonReader(run.statistics / "run.json").read() or {}),
        HistoryReader(run.history).read(),
        events,
        len(events),
        tuple(list_checkpoints(run.checkpoints, status)),
        GpuReport((LAPTOP,)),
        HOST,
    )


def hot(folder: Path) -> Snapshot:
    """The same with two warnings."""
    gpu = replace(LAPTOP, temperature_c=88, memory_used_mib=7800)
    return replace(typical(folder), gpu=GpuReport((gpu,)), alerts=ALERTS)


def dead(folder: Path) -> Snapshot:
    """The same, killed."""
    state = RunState("dead", "pid 4242 is gone; it was training", 845.0, 60.0)
    title = f"presumed dead: {state.evidence}"
    advice = "start the same training command again: it resumes"
    alert = Alert("life", title, advice, NOW - 840, severity="critical")
    return replace(
        typical(folder), state=state, alerts=(alert,), gpu=GpuReport((), "no NVIDIA driver found (no NVML library)")
    )


REASON = (
    "RuntimeError: CUDA error: an illegal memory access was encountered while the gradients of step 411 were added up. "
    "The weights of epoch 12 are intact in latest.pt; the GPU needs a new process."
)


def failed(folder: Path) -> Snapshot:
    """The same, ended by an error whose sentence is long."""
    before = typical(folder)
    assert before.status is not None
    status = replace(before.status, state="failed", message=REASON)
    advice = "read train.log (l, then 2); start the same training command again: it resumes"
    alert = Alert("life", f"the run has failed: {REASON}", advice, NOW - 30, severity="critical")
    return replace(before, status=status, state=RunState("failed", REASON, 30.0), alerts=(alert,))


def finished(folder: Path) -> Snapshot:
    """A run of twelve epochs, seven hours after its end."""
    before = typical(folder)
    assert before.status is not None
    status = replace(before.status, state="finished", epoch=12, epochs=12, step=960, updated_at=NOW)
    state = RunState("finished", "Training completed!", 25_000.0)
    return replace(before, at=NOW + 25_000, status=status, state=state)


def saw(folder: Path) -> Snapshot:
    """The same of a trainer that also measures what the image shows."""
    before = typical(folder)
    history = before.history.copy()
    assert history.last is not None
    for name, start in (("finding_auc", 0.5), ("says_what_it_saw", 0.2)):
        history.columns[name] = array("d", [start + 0.03 * epoch for epoch in range(12)])
    further = {name: history.columns[name][-1] for name in ("finding_auc", "says_what_it_saw")}
    return replace(before, history=replace(history, last=replace(history.last, further=further)))


def waiting() -> Snapshot:
    """No run yet."""
    state = RunState("waiting", "no status.json yet: start a run; this screen follows")
    return Snapshot(NOW, FOLDER, state, host=HOST, other_runs=("night-1",))
