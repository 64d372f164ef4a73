"""How far it is: epoch, stage, step, time elapsed, and the time left as duration and as clock time."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import FIRST, MUTED, SECOND, STRONG, Piece, bar, label, line
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.progress import STAGES, run_fraction, stage_number, step_fraction, times
from xr2text_monitor.readers.run_files import Status
from xr2text_monitor.snapshot import Snapshot

BAR_CELLS = 28
ROOMY = 50  # columns of the panel, from which there is room for the batch and whole words
SLIM = 60  # columns of a screen; as in the application's breakpoints


class ProgressPanel(Panel):
    TITLE = "progress"

    def num_lines(self, snapshot: Snapshot) -> int | None:
        """The time in two lines where one is too narrow for it."""
        return 4 if self.app.size.width < SLIM else None

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        if not snapshot.has_run:
            return _waiting(snapshot)
        status = snapshot.status or Status()
        cells = max(4 if width < SLIM else 8, min(BAR_CELLS, width - 44))
        lines = [_epoch(snapshot, status, width), _step(status, cells), *_time(snapshot, width, is_split=height >= 4)]
        if height >= 5:
            lines.insert(0, _run(status, cells))
        if status.message and height > len(lines):
            lines.append(label("says", status.message))
        elif status.device and height > len(lines):
            lines.append(label("data", snapshot.info.data or t.DASH, ("  on ", MUTED), status.device))
        return lines


def _run(status: Status, cells: int) -> Content:
    share = run_fraction(status)
    percent = t.unit(None if share is None else 100 * share, "%")
    return label("run", *bar(share, cells, SECOND), f" {percent}", (" of all epochs", MUTED))


def _epoch(snapshot: Snapshot, status: Status, width: int) -> Content:
    epoch = status.epoch
    if epoch is None and snapshot.history.last is not None:
        epoch = snapshot.history.last.epoch
    number = stage_number(status.stage)
    stage = f"  stage {number}/{len(STAGES)} " if number else "  stage "
    batch: list[Piece] = [("  batch ", MUTED), f"{t.whole(status.micro_batch)} × {t.whole(status.accumulation)}"]
    return label(
        "epoch",
        (f"{t.whole(epoch)}/{t.whole(status.epochs)}", STRONG),
        (stage, MUTED),
        (t.clean(status.stage, 24) or t.DASH, STRONG),
        *(batch if width >= ROOMY else []),
    )


def _step(status: Status, cells: int) -> Content:
    share = step_fraction(status)
    percent = t.unit(None if share is None else 100 * share, "%")
    steps = f" {percent}  {t.whole(status.step)}/{t.whole(status.steps_in_epoch)}"
    return label(
        "step", *bar(share, cells, FIRST), steps, f"  {t.number(status.studies_per_s, 1)}", (" studies/s", MUTED)
    )


def _time(snapshot: Snapshot, width: int, is_split: bool) -> list[Content]:
    found = times(snapshot)
    about = "≈ " if found.is_own_estimate else ""
    each = "  an epoch " if width >= ROOMY else "  each "
    passed = (t.duration(found.elapsed_s), (each, MUTED), t.duration(found.epoch_s))
    finish = t.clock(found.finish_at, snapshot.at)
    left: list[Piece] = [(f"{about}{t.duration(found.eta_s)}", STRONG)]
    left += [(" → ", MUTED), (finish, STRONG)] if found.finish_at is not None else []
    if is_split:
        return [label("elapsed", *passed), label("ETA", *left)]
    return [label("elapsed", *passed, ("  ETA ", MUTED), *left)]


def _waiting(snapshot: Snapshot) -> list[Content]:
    lines = [label("looking", ("in ", MUTED), t.place(snapshot.folder.statistics))]
    if snapshot.other_runs:
        names = ", ".join(t.clean(name, 40) for name in snapshot.other_runs)
        lines.append(label("runs", ("with a name, r chooses one: ", MUTED), names))
    else:
        lines.append(label("start", "python -m xr2text_core.train", ("   this screen follows", MUTED)))
    return [*lines, line("")]
