"""The header, read from across the room: is it alive, how far, when done, how many alerts; below it the folder."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import ALERT_GLYPHS, ALERT_STYLES, BAD, GOOD, MUTED, STRONG, WARN, Piece, line
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.progress import run_fraction, times
from xr2text_monitor.readers.run_files import Status
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import ENDED

# A glyph for every state, so that colour is not the only signal.
LOOKS = {
    "reading": ("○", MUTED, "READING"),
    "waiting": ("○", MUTED, "WAITING FOR A RUN"),
    "starting": ("◔", GOOD, "STARTING"),
    "caching": ("◔", GOOD, "CACHING IMAGES"),
    "training": ("●", GOOD, "TRAINING"),
    "validating": ("◆", GOOD, "VALIDATING"),
    "saving": ("▼", GOOD, "SAVING"),
    "cooling": ("≈", WARN, "COOLING"),
    "stopping": ("◕", WARN, "STOPPING"),
    "elsewhere": ("◎", GOOD, "ON ANOTHER HOST"),
    "finished": ("✓", GOOD, "FINISHED"),
    "interrupted": ("■", WARN, "INTERRUPTED"),
    "failed": ("✗", BAD, "FAILED"),
    "unknown": ("?", WARN, "CANNOT READ"),
    "restarting": ("◔", WARN, "RESTARTING"),
    "silent": ("?", WARN, "NO SIGN OF LIFE"),
    "dead": ("✗", BAD, "PRESUMED DEAD"),
}
LEAST_EVIDENCE = 12  # cells; fewer say nothing
LEAST_PATH = 18


class StatePanel(Panel):
    """Two lines; each leaves out what fits least."""

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        clock = line((f" {t.clock(snapshot.at, snapshot.at)} ", MUTED))
        return [_first(snapshot, width, clock), _second(snapshot, width)]


def _first(snapshot: Snapshot, width: int, clock: Content) -> Content:
    glyph, style, name = LOOKS.get(snapshot.state.name, ("·", MUTED, t.clean(snapshot.state.name, 20).upper()))
    run = t.clean(snapshot.folder.name, 30)
    state = line((f" {glyph} {name}", f"{STRONG} {style}"))
    named = line(state, (f"  {run}", STRONG)) if run else state
    for left, alerts, right in (
        (line(named, _progress(snapshot, True)), _alerts(snapshot, True), clock),
        (line(named, _progress(snapshot, False)), _alerts(snapshot, True), clock),
        (line(named, _progress(snapshot, False)), _alerts(snapshot, False), clock),
        (line(state, _progress(snapshot, False)), _alerts(snapshot, False), line(" ")),
        (line(state, _progress(snapshot, False)), _badge(snapshot), line(" ")),
    ):
        room = width - alerts.cell_length - right.cell_length
        if left.cell_length <= room:
            break
    shown = left.truncate(room, ellipsis=True)
    return line(shown, " " * (room - shown.cell_length), alerts, right)


def _progress(snapshot: Snapshot, is_long: bool) -> Content:
    """How far and when done; of a run that has ended, when it did and what it reached."""
    status = snapshot.status or Status()
    if not snapshot.has_run:
        return line()
    share = run_fraction(status)
    percent = "" if share is None else f" {100 * share:.0f} %"
    epoch = status.epoch if status.epoch is not None else len(snapshot.history) or None
    pieces: list[Piece] = [
        ("  epoch " if is_long else "  ", MUTED),
        (f"{t.whole(epoch)}/{t.whole(status.epochs)}", STRONG),
    ]
    if snapshot.state.name in (*ENDED, "dead"):
        return line(*_ended(snapshot, status, is_long), *pieces)
    finish = times(snapshot).finish_at
    done: list[Piece] = [("  done ", MUTED), (t.clock(finish, snapshot.at), STRONG)] if finish is not None else []
    return line(*pieces, percent, *done)


def _ended(snapshot: Snapshot, status: Status, is_long: bool) -> list[Piece]:
    if status.updated_at is None:
        return []
    word = "  last seen " if snapshot.state.name == "dead" else "  at "
    since = f" ({t.age(snapshot.at - status.updated_at)})" if is_long else ""
    return [(word, MUTED), (t.clock(status.updated_at, snapshot.at), STRONG), since]


def _alerts(snapshot: Snapshot, is_long: bool) -> Content:
    """How many, and the worst of them."""
    worst = snapshot.health
    if worst == "ok":
        return line((("✓ no alerts" if is_long else "✓") if snapshot.has_run else "", GOOD))
    count, style = _count(snapshot), f"{STRONG} {ALERT_STYLES[worst]}"
    name = f"{worst}s" if worst == "warning" and count != 1 else worst
    words = f"{count} {name}" if count else name
    others = f" of {len(snapshot.alerts)} alerts" if is_long and count < len(snapshot.alerts) else ""
    return line((f"{ALERT_GLYPHS[worst]} {words}{others}", style))


def _badge(snapshot: Snapshot) -> Content:
    """The same in four cells."""
    worst = snapshot.health
    if worst == "ok":
        return _alerts(snapshot, False)
    return line((f"{ALERT_GLYPHS[worst]}{_count(snapshot) or ''}", f"{STRONG} {ALERT_STYLES[worst]}"))


def _count(snapshot: Snapshot) -> int:
    """Alerts of the worst kind that stands."""
    kinds = ["unknown" if alert.is_unknown else alert.severity for alert in snapshot.alerts]
    return kinds.count(snapshot.health)


def _second(snapshot: Snapshot, width: int) -> Content:
    """The last sign of life, what proves the state, and the folder that is watched."""
    state = snapshot.state
    seen = f" seen {t.duration(state.age_s)} ago " if state.age_s is not None else " "
    wanted = len(seen) + len(state.evidence) + 3
    cells = max(LEAST_PATH, min(width // 2, width - wanted))
    folder = line((f"  {t.ending(t.place(snapshot.folder.statistics), cells)} ", MUTED))
    room = max(0, width - folder.cell_length)
    evidence = f" {state.evidence}" if room - len(seen) >= LEAST_EVIDENCE else ""
    shown = line((seen + evidence, MUTED)).truncate(room, ellipsis=True)
    return line(shown, " " * (room - shown.cell_length), folder)
