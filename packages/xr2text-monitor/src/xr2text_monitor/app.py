"""The screen: joins the watcher with the panels. Reads no files, writes nothing but screenshots."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from xr2text_monitor.alerts import Alert
from xr2text_monitor.journal import Journal
from xr2text_monitor.panels.alerts import AlertsPanel
from xr2text_monitor.panels.charts import HistoryChart, LiveChart
from xr2text_monitor.panels.checkpoints import CheckpointsPanel
from xr2text_monitor.panels.events import EventsPanel
from xr2text_monitor.panels.gpu import GpuPanel
from xr2text_monitor.panels.help import HelpScreen
from xr2text_monitor.panels.host import HostPanel
from xr2text_monitor.panels.panel import TALL, Panel
from xr2text_monitor.panels.progress import ProgressPanel
from xr2text_monitor.panels.scores import ScoresPanel
from xr2text_monitor.panels.state import StatePanel
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import RunState
from xr2text_monitor.terminal import leave_if_gone, leave_on_signals
from xr2text_monitor.watch import Watcher

TERMINAL_S = 2.0
LOSSES = (("train_loss", "train"), ("val_loss", "val"))
SCORES = (("bleu_4", "BLEU-4"), ("rouge_l", "ROUGE-L"))


class MonitorApp(App[None]):
    """Without a sampler it shows only what `show` is given, as pictures and tests need it."""

    TITLE = "xr2text-monitor"
    CSS_PATH = "monitor.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (108, "-broad")]  # noqa: RUF012 - as in App
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]  # noqa: RUF012 - as in App
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("s", "save_screen", "save SVG"),
        Binding("d", "dark_or_light", "dark/light"),
        Binding("c", "curves", "curves"),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("r", "look", "look now", show=False),
        Binding("down", "events(1)", "older events", show=False),
        Binding("up", "events(-1)", "newer events", show=False),
    ]

    class Sampled(Message):
        """A new snapshot, from the watcher's thread."""

        def __init__(self, snapshot: Snapshot) -> None:
            super().__init__()
            self.snapshot = snapshot

    def __init__(self, first: Snapshot, sampler: Sampler | None = None) -> None:
        super().__init__()
        self.snapshot = first
        self.journal = Journal()
        self.watcher = None if sampler is None else Watcher(sampler, self._post, self._post_failure)

    def compose(self) -> ComposeResult:
        seen = self.snapshot
        yield StatePanel(seen)
        yield AlertsPanel(seen)
        with Container(id="top"):
            yield ProgressPanel(seen)
            yield ScoresPanel(seen)
        with Container(id="charts"):
            yield HistoryChart(seen, "losses", LOSSES, id="losses")
            yield HistoryChart(seen, "scores", SCORES, id="scores")
            yield LiveChart(seen, id="live")
        with Container(id="lower"):
            with Container(id="machine"):
                yield GpuPanel(seen)
                yield HostPanel(seen)
            yield CheckpointsPanel(seen)
        yield EventsPanel(seen, self.journal)
        yield Footer()

    def on_mount(self) -> None:
        if self.watcher is not None:
            leave_on_signals(self.exit)
            self.watcher.start()
            if not self.is_headless:
                self.set_interval(TERMINAL_S, leave_if_gone)

    def on_unmount(self) -> None:
        if self.watcher is not None:
            self.watcher.stop()

    def _post(self, snapshot: Snapshot) -> None:
        if self.is_running:
            self.post_message(self.Sampled(snapshot))

    def _post_failure(self, error: Exception) -> None:
        self.call_later(self._fail, error)

    def _fail(self, error: Exception) -> None:
        """A defect of the monitor itself: end with its traceback rather than show a picture that no longer changes."""
        raise error

    def on_monitor_app_sampled(self, message: Sampled) -> None:
        self.show(message.snapshot)

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot; a warning that is new in it also rings the bell and shows a toast, once."""
        self.snapshot = snapshot
        self.journal.add(snapshot)
        for panel in self.screen_stack[0].query(Panel):
            panel.show(snapshot)
        raised = [change.alert for change in snapshot.changes if change.is_raised and change.alert.severity != "info"]
        if raised:
            self._announce(raised)

    def _announce(self, raised: Sequence[Alert]) -> None:
        """One toast and one bell for all that is new; the warnings themselves stay on screen in their panel."""
        self.bell()
        title = "new warning" if len(raised) == 1 else f"{len(raised)} new warnings"
        self.notify("\n".join(alert.title for alert in raised), title=title, severity="error", markup=False)

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_save_screen(self) -> None:
        name = f"xr2text-monitor-{time.strftime('%Y%m%d-%H%M%S')}.svg"
        try:
            self.deliver_screenshot(name, path=str(Path.cwd()))
        except OSError as error:
            self.notify(f"the picture could not be saved: {error}", severity="error", markup=False)

    def action_dark_or_light(self) -> None:
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_curves(self) -> None:
        self.screen_stack[0].toggle_class("-live")

    def action_look(self) -> None:
        if self.watcher is not None:
            self.watcher.look_now()

    def action_events(self, count: int) -> None:
        self.screen_stack[0].query_one(EventsPanel).scroll_lines(count)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        yield SystemCommand("Look now", "Read the files and the GPU at once", self.action_look)
        yield SystemCommand("Dark or light", "Switch the theme", self.action_dark_or_light)
        yield SystemCommand("Curves", "Over the epochs, or within this epoch", self.action_curves)


def run(sampler: Sampler) -> int:
    """Open the screen and stay until the user quits; returns the exit code."""
    first = Snapshot(time.time(), sampler.folder, RunState("reading", "reading the files of the run"))
    app = MonitorApp(first, sampler)
    app.run()
    return app.return_code or 0
