"""Is it alive: the state, the age of the last sign of life, and the evidence."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.ink import BAD, GOOD, MUTED, STRONG, WARN, Piece, line
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.sampler import Snapshot

# A glyph for every state, so that colour is not the only signal.
LOOKS = {
    "waiting": ("○", MUTED, "WAITING FOR A RUN"),
    "starting": ("◔", WARN, "STARTING"),
    "caching": ("◔", WARN, "CACHING IMAGES"),
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
    "silent": ("?", BAD, "NO SIGN OF LIFE"),
    "dead": ("✗", BAD, "PRESUMED DEAD"),
}


class StatePanel(Panel):
    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        state = snapshot.state
        glyph, style, name = LOOKS.get(state.name, ("·", MUTED, t.clean(state.name, 20).upper()))
        run = t.clean(snapshot.folder.name, 30)
        pieces: list[Piece] = [(f" {glyph} {name} ", f"{STRONG} {style}"), (f" {run} ", STRONG) if run else ""]
        if state.age_s is not None:
            pieces += [(" last sign of life" if width >= 100 else " seen", MUTED), f" {t.duration(state.age_s)} ago"]
        pieces.append((f"  {state.evidence}", MUTED))
        left, right = line(*pieces), f"{t.clock(snapshot.at, snapshot.at)} "
        room = width - len(right) - 1
        shown = left.truncate(room, ellipsis=True)
        return [line(shown, " " * (width - len(right) - shown.cell_length), (right, MUTED))]
