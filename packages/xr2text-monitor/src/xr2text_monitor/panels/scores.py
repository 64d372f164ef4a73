"""How good it is: BLEU-4, ROUGE-L, best and trend, losses, and the scores of the newest epoch."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import BAD, FIRST, GOOD, MUTED, STRONG, Piece, label, spark
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.progress import trend, trend_epochs
from xr2text_monitor.readers.history import EpochRow
from xr2text_monitor.readers.run_files import Status
from xr2text_monitor.snapshot import Snapshot

SLIM = 48  # columns, below which trend and newest loss have no room
FLAT = 5e-4  # a change smaller than the last digit that matters is drawn as none


class ScoresPanel(Panel):
    TITLE = "scores and losses"

    def num_lines(self, snapshot: Snapshot) -> int | None:
        """One more on small screens where the trainer measures what the image shows."""
        return 4 if not self.is_boxed and _saw(snapshot) is not None else None

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        status = snapshot.status or Status()
        last = snapshot.history.last or EpochRow(0)
        saw = _saw(snapshot)
        lines = [
            _score(snapshot, "bleu_4", "BLEU-4", width),
            _score(snapshot, "rouge_l", "ROUGE-L", width),
            *([saw] if saw is not None else []),
            _loss(last, status, width),
        ]
        more = [_more_scores(last), _rates(last, status), _peaks(last)]
        return [*lines, *more[: max(0, height - len(lines))]]


def _score(snapshot: Snapshot, name: str, title: str, width: int) -> Content:
    last, best = snapshot.history.last, snapshot.history.best_scores.get(name)
    value = getattr(last, name) if last is not None else None
    best_text = t.DASH if best is None else f"{best[0]:.4f}"
    epoch = "" if best is None else f" ep. {best[1]}"
    is_best = best is not None and last is not None and best[1] == last.epoch and best[0] > 0
    history = snapshot.history
    change = _change(trend(history, name), trend_epochs(history, name)) if width >= SLIM else []
    star = ("★", GOOD) if is_best else " "
    return label(title, (f"{t.number(value):>6}", STRONG), star, " ", *change, ("  best ", MUTED), best_text, epoch)


def _change(change: float | None, epochs: int) -> list[Piece]:
    """Arrow and size of the change, and over how many epochs."""
    if change is None:
        return [(f"{t.DASH:<9}", MUTED), (" trend", MUTED)]
    arrow, style = ("↑", GOOD) if change > FLAT else ("↓", BAD) if change < -FLAT else ("→", MUTED)
    return [(f"{arrow} {change:+.4f}", style), (f" in {epochs}", MUTED)]


def _saw(snapshot: Snapshot) -> Content | None:
    """What the head sees, and how often the report says it; None where the trainer does not measure it."""
    last = snapshot.history.last
    if last is None or not {"finding_auc", "says_what_it_saw"} & set(snapshot.history.columns):
        return None
    auc, says = last.further.get("finding_auc"), last.further.get("says_what_it_saw")
    return label(
        "sees",
        ("finding AUC ", MUTED),
        (t.number(auc, 3), STRONG),
        ("  says what it saw ", MUTED),
        (t.number(says, 3), STRONG),
    )


def _loss(last: EpochRow, status: Status, width: int) -> Content:
    pieces: list[Piece] = [
        ("train ", MUTED),
        t.number(last.train_loss, 3),
        ("  val ", MUTED),
        t.number(last.val_loss, 3),
    ]
    pieces += [("  now ", MUTED), (t.number(status.loss, 3), STRONG)] if width >= SLIM else []
    shown = label("loss", *pieces)
    room = min(30, width - shown.cell_length - 2)
    return label("loss", *pieces, "  ", (spark(status.recent_losses, room), FIRST)) if room >= 6 else shown


def _more_scores(last: EpochRow) -> Content:
    return label(
        "also",
        ("CIDEr ", MUTED),
        t.number(last.cider, 3),
        ("  label F1 ", MUTED),
        t.number(last.clinical_f1, 3),
        ("  distinct ", MUTED),
        t.whole(last.distinct_reports),
    )


def _rates(last: EpochRow, status: Status) -> Content:
    return label(
        "rate",
        t.rate(status.learning_rate if status.learning_rate is not None else last.learning_rate),
        ("  grad norm ", MUTED),
        t.number(last.grad_norm, 2),
        ("  skipped ", MUTED),
        t.whole(last.skipped_steps),
        ("  OOM ", MUTED),
        t.whole(last.oom_retries),
    )


def _peaks(last: EpochRow) -> Content:
    return label(
        "peak",
        ("GPU memory ", MUTED),
        t.DASH if last.gpu_peak_mib is None else f"{t.gib(last.gpu_peak_mib)} GiB",
        ("  max ", MUTED),
        t.unit(last.gpu_max_c, "°C"),
    )
