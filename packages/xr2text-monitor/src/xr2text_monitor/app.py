"""The screen: joins the watcher with the panels. Reads no files, writes nothing but screenshots."""

import gc
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from xr2text_monitor.alerts import Alert
from xr2text_monitor.drawing.ascii_filter import AsciiFilter
from xr2text_monitor.drawing.curves import CurveView, OtherRun
from xr2text_monitor.drawing.theme import DARK, LIGHT
from xr2text_monitor.hardware.trace import GpuTrace
from xr2text_monitor.journal import Journal
from xr2text_monitor.panels.alerts import LOW, AlertsPanel
from xr2text_monitor.panels.charts import ChartsPanel
from xr2text_monitor.panels.checkpoints import CheckpointsPanel
from xr2text_monitor.panels.events import EventsPanel
from xr2text_monitor.panels.gpu import GpuPanel
from xr2text_monitor.panels.host import HostPanel
from xr2text_monitor.panels.panel import TALL, Panel
from xr2text_monitor.panels.progress import SLIM, ProgressPanel
from xr2text_monitor.panels.scores import ScoresPanel
from xr2text_monitor.panels.state import StatePanel
from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.readers.history import HistoryReader
from xr2text_monitor.readers.run_files import RunFolder
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.screens.help import HelpScreen
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import RunState
from xr2text_monitor.terminal import leave_if_gone, leave_on_signals
from xr2text_monitor.watch import Watcher

if TYPE_CHECKING:
    from xr2text_monitor.screens.runs import Choice

OVERLAY_S = 2.0
FIRST_S = 0.1  # the first look at a file is nearly always this quick
TERMINAL_S = 2.0
READING = RunState("reading", "reading the files of the run")


class MonitorApp(App[None]):
    """Without a sampler it shows only what `show` is given, as pictures and tests need it."""

    TITLE = "xr2text-monitor"
    CSS_PATH = "monitor.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (SLIM, "-narrow"), (108, "-broad")]  # noqa: RUF012 - as in App
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-short"), (TALL, "-tall")]  # noqa: RUF012 - as in App
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("l,enter", "log", "log", key_display="l"),
        Binding("r", "runs", "runs"),
        Binding("c", "curves", "curves"),
        Binding("z", "zoom", "zoom"),
        Binding("m", "mean", "mean"),
        Binding("y", "log_axis", "log axis"),
        Binding("d", "dark_or_light", "dark/light"),
        Binding("s", "save_screen", "save SVG"),
        Binding("u", "look", "look now", show=False),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("down", "scroll_down(1)", "down", show=False),
        Binding("up", "scroll_down(-1)", "up", show=False),
        Binding("pagedown", "scroll_down(8)", "down", show=False),
        Binding("pageup", "scroll_down(-8)", "up", show=False),
    ]

    class Sampled(Message):
        """A new snapshot, from the watcher's thread."""

        def __init__(self, snapshot: Snapshot) -> None:
            super().__init__()
            self.snapshot = snapshot

    def __init__(self, first: Snapshot, sampler: Sampler | None = None, is_ascii: bool = False) -> None:
        super().__init__()
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = DARK.name
        for name in self.available_themes.keys() - {DARK.name, LIGHT.name}:
            self.unregister_theme(name)  # their contrast was not measured
        self._ascii = [AsciiFilter()] if is_ascii else []
        self.snapshot = first
        self.journal, self.trace = Journal(), GpuTrace()
        self.sampler = sampler
        self.watcher: Watcher | None = None
        self.overlay: Errand[OtherRun] | None = None

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *self._ascii]

    def compose(self) -> ComposeResult:
        seen = self.snapshot
        yield StatePanel(seen)
        yield AlertsPanel(seen)
        with Container(id="body"):
            with Container(id="top"):
                yield ProgressPanel(seen)
                yield ScoresPanel(seen)
            with Container(id="lower"):
                with Container(id="machine"):
                    yield GpuPanel(seen)
                    yield HostPanel(seen)
                yield CheckpointsPanel(seen)
            yield ChartsPanel(seen, self.trace)
            yield EventsPanel(seen, self.journal)
        yield Footer()

    def on_mount(self) -> None:
        if self.sampler is not None:
            leave_on_signals(self.exit)
            self._watch(self.sampler)
            if not self.is_headless:
                self.set_interval(TERMINAL_S, leave_if_gone)
                self.call_after_refresh(_collect_garbage)
        self.set_interval(OVERLAY_S, self._read_overlay)

    def on_unmount(self) -> None:
        for thread in (self.watcher, self.overlay):
            if thread is not None:
                thread.stop()

    def _watch(self, sampler: Sampler) -> None:
        """Follow a run; what an earlier watcher may still send is of another folder and left out."""
        if self.watcher is not None:
            self.watcher.stop()
        self.sampler = sampler
        self.watcher = Watcher(sampler, self._post, self._post_failure)
        self.watcher.start()

    def _post(self, snapshot: Snapshot) -> None:
        if self.is_running:
            self.post_message(self.Sampled(snapshot))

    def _post_failure(self, error: Exception) -> None:
        self.call_later(self._fail, error)

    def _fail(self, error: Exception) -> None:
        """A defect of the monitor itself: end with its traceback rather than show a picture that no longer changes."""
        raise error

    def on_monitor_app_sampled(self, message: Sampled) -> None:
        if self.sampler is None or message.snapshot.folder == self.sampler.folder:
            self.show(message.snapshot)

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot; an alert that is new in it also rings the bell and shows a toast, once."""
        self.snapshot = snapshot
        self.journal.add(snapshot)
        self.trace.add(snapshot.gpu.gpus, time.monotonic())
        for panel in self.screen_stack[0].query(Panel):
            panel.show(snapshot)
        raised = [change.alert for change in snapshot.changes if change.is_raised and change.alert.severity != "info"]
        if raised:
            self._announce(raised)

    def _announce(self, raised: Sequence[Alert]) -> None:
        """One toast and one bell for all that is new; the alerts themselves stay on screen in their panel."""
        self.bell()
        title = "new alert" if len(raised) == 1 else f"{len(raised)} new alerts"
        is_critical = any(alert.severity == "critical" for alert in raised)
        text = "\n".join(alert.title for alert in raised)
        self.notify(text, title=title, severity="error" if is_critical else "warning", markup=False)

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_save_screen(self) -> None:
        name = f"xr2text-monitor-{time.strftime('%Y%m%d-%H%M%S')}.svg"
        try:
            self.deliver_screenshot(name, path=str(Path.cwd()))
        except OSError as error:
            self.notify(f"the picture could not be saved: {error}", severity="error", markup=False)

    def action_dark_or_light(self) -> None:
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name

    def action_curves(self) -> None:
        self._charts.turn(self.snapshot.history)

    def action_zoom(self) -> None:
        self._look(self._charts.view.next_zoom(len(self.snapshot.history)))

    def action_mean(self) -> None:
        self._look(self._charts.view.next_span())

    def action_log_axis(self) -> None:
        view = self._charts.view
        self._look(replace(view, is_log=not view.is_log))

    @property
    def _charts(self) -> ChartsPanel:
        return self.screen_stack[0].query_one(ChartsPanel)

    def _look(self, view: CurveView) -> None:
        self._charts.look(view)

    def action_log(self) -> None:
        from xr2text_monitor.screens.log import LogScreen  # tables are 2 MiB that the screen alone does not need

        self.push_screen(LogScreen(self.journal, lambda: self.snapshot))

    def action_runs(self) -> None:
        from xr2text_monitor.screens.runs import RunsScreen

        folder = self.snapshot.folder
        self.push_screen(RunsScreen(folder.out or Path(), folder), self._choose)

    def _choose(self, choice: "Choice | None") -> None:
        if choice is None:
            return
        if choice.what == "overlay":
            self._toggle_overlay(choice.folder)
        elif self.sampler is not None and choice.folder != self.sampler.folder:
            self._switch(self.sampler.moved_to(choice.folder))

    def _switch(self, sampler: Sampler) -> None:
        """Watch another run from now on: nothing of the old one stays but the GPUs' hours, which are the machine's."""
        self.show(Snapshot(time.time(), sampler.folder, READING, gpu=self.snapshot.gpu, host=self.snapshot.host))
        self.journal.start_over()
        self._watch(sampler)

    def _toggle_overlay(self, folder: RunFolder) -> None:
        """Lay a run behind the curves; the same one again takes it away."""
        shown = self._charts.view.other
        if self.overlay is not None:
            self.overlay.stop()
            self.overlay = None
        self._look(replace(self._charts.view, other=None))
        if shown is not None and shown.name == folder.name:
            return
        reader = HistoryReader(folder.statistics / "training_history.csv")
        self.overlay = Errand(lambda: OtherRun(folder.name, reader.read()), "overlay")
        self._read_overlay(FIRST_S)

    def _read_overlay(self, wait_s: float = 0.0) -> None:
        found = self.overlay.result(wait_s) if self.overlay is not None else None
        if found is not None:
            self._look(replace(self._charts.view, other=found))

    def action_look(self) -> None:
        if self.watcher is not None:
            self.watcher.look_now()

    def action_scroll_down(self, count: int) -> None:
        """The screen where it is longer than the window, else the events."""
        body = self.screen_stack[0].query_one("#body")
        if body.max_scroll_y > 0:
            body.scroll_relative(y=count, animate=False)
        else:
            self.screen_stack[0].query_one(EventsPanel).scroll_lines(count)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        yield SystemCommand("Look now", "Read the files and the GPU at once", self.action_look)
        yield SystemCommand("Dark or light", "Switch the theme", self.action_dark_or_light)
        yield SystemCommand("Curves", "Epochs, findings, newest steps, GPU over the last hours", self.action_curves)
        yield SystemCommand("Log", "Events, train.log and alerts: filter, copy, full text", self.action_log)
        yield SystemCommand("Runs", "Watch another run, compare two", self.action_runs)


def _collect_garbage() -> None:
    """From now on; what stands is here to stay and need not be searched again."""
    gc.freeze()
    gc.enable()


def run(sampler: Sampler, is_ascii: bool = False) -> int:
    """Open the screen and stay until the user quits; returns the exit code."""
    app = MonitorApp(Snapshot(time.time(), sampler.folder, READING), sampler, is_ascii)
    app.run()
    return app.return_code or 0
