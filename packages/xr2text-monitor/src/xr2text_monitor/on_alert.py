"""Runs the user's command when there is news: a mail, a message, a sound."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from xr2text_monitor.alerts import Alert
from xr2text_monitor.snapshot import NewEvents, Snapshot
from xr2text_monitor.text import clean

ENDINGS = ("finished", "failed", "interrupted")
EVENTS = ("stage_changed", "new_best")
ALSO = (*ENDINGS, *EVENTS, "info", "over")  # what --on may add to the alerts
SLOW_S = 60.0  # a command that takes longer is told to hang
MOST = 20  # at once: a command that hangs must not fill the machine


class News(NamedTuple):
    """What the command is told: an alert, or an ending or event put into the same words. `kind` is what it is."""

    kind: str
    alert: Alert


class Started(NamedTuple):
    """A command that runs, and what it printed."""

    process: "subprocess.Popen[bytes]"
    printed: IO[bytes]
    at: float


class AlertCommand:
    """Starts `command` in the shell and does not wait. What there is to say comes in the environment, never in the
    command line, so that no name can become a command. `problem` says why the newest one failed."""

    def __init__(self, command: str, run: str, also: Sequence[str] = (), is_single_look: bool = False) -> None:
        self.command, self.run_name, self.also = command, run, also
        self.problem = ""
        self._new_events = NewEvents()
        self._state = "" if is_single_look else None
        self._started: list[Started] = []

    def move_to(self, run: str) -> None:
        """Another run is watched from now on: what happened in it before is no news."""
        self.run_name, self._new_events, self._state = run, NewEvents(), None

    def tell(self, snapshot: Snapshot) -> None:
        """Start the command for everything that is new in this snapshot."""
        self._look_after()
        for news in self._news(snapshot):
            self._start(environment(news, snapshot, self.run_name))

    def test(self, snapshot: Snapshot) -> str:
        """Run it once with an alert that is a test, to its end; returns why it failed."""
        alert = Alert("test", "this is a test of --on-alert", "nothing to do", time.time(), severity="info")
        self._start(environment(News("test", alert), snapshot, self.run_name))
        self.wait(SLOW_S)
        return self.problem

    def wait(self, timeout_s: float) -> None:
        """Let the started commands end; for --once, which would leave before them."""
        until = time.monotonic() + timeout_s
        for started in self._started:
            try:
                started.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.problem = f"it has not ended after {timeout_s:.0f} s"
                return
        self._look_after()

    def _news(self, snapshot: Snapshot) -> Iterator[News]:
        events, before, state = self._new_events.of(snapshot), self._state, snapshot.state.name
        self._state = state
        for change in snapshot.changes:
            alert = change.alert
            if not change.is_raised and "over" in self.also:
                yield News("over", alert)
            elif change.is_raised and (alert.severity != "info" or "info" in self.also):
                yield News("failed" if alert.key == "life" and state == "failed" else "alert", alert)
        if before not in (None, state) and state in ENDINGS and state in self.also and state != "failed":
            ended = "the run has finished" if state == "finished" else "the run was interrupted"
            why = snapshot.state.evidence.removeprefix(f"{state}; ")
            yield News(state, _as_alert(state, f"{ended}: {why}", snapshot.at))
        for event in events if before else ():
            if event.kind in self.also and event.kind in EVENTS:
                yield News(event.kind, _as_alert(event.kind, event.message, event.at or snapshot.at))

    def _start(self, variables: dict[str, str]) -> None:
        """A command that cannot be started is no reason to stop watching."""
        from tempfile import TemporaryFile  # only where there is news

        if len(self._started) >= MOST:
            self.problem = f"{MOST} of them have not ended, no further one is started"
            return
        printed = TemporaryFile()  # noqa: SIM115 - closed when the command has ended
        try:
            process = subprocess.Popen(
                self.command,
                shell=True,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        except OSError as error:
            self.problem = str(error)
            return
        self._started.append(Started(process, printed, time.monotonic()))

    def _look_after(self) -> None:
        """See how the commands ended; the newest that ended decides whether they work."""
        for started in list(self._started):
            code = started.process.poll()
            if code is None and time.monotonic() - started.at > SLOW_S:
                self.problem = f"it has not ended after {SLOW_S:.0f} s"
            if code is not None:
                self._started.remove(started)
                self.problem = _account(code, started.printed) if code else ""
                started.printed.close()


def environment(news: News, snapshot: Snapshot, run: str) -> dict[str, str]:
    """The variables that README.md lists; every one is always set, empty where nothing is known."""
    alert, status = news.alert, snapshot.status
    values = {
        "": alert.key,
        "_KIND": news.kind,
        "_SEVERITY": "unknown" if alert.is_unknown else alert.severity,
        "_GROUP": alert.group,
        "_TITLE": clean(alert.title),
        "_ADVICE": alert.advice,
        "_VALUE": "" if alert.value is None else f"{alert.value:g}",
        "_SINCE": f"{alert.since:.0f}",
        "_RUN": clean(run, 100),
        "_STATE": snapshot.state.name,
        "_EPOCH": "" if status is None or status.epoch is None else str(status.epoch),
        "_EPOCHS": "" if status is None or status.epochs is None else str(status.epochs),
    }
    return {f"XR2TEXT_ALERT{name}": value for name, value in values.items()}


def also_from(text: str) -> tuple[str, ...]:
    """The names in `finished,failed` as --on takes them; ValueError for others."""
    names = [word.strip().replace("-", "_").replace(" ", "_") for word in text.split(",") if word.strip()]
    wrong = [name for name in names if name not in (*ALSO, "all")]
    if wrong or not names:
        raise ValueError(f"--on {text!r}: expected some of {','.join(ALSO)}, separated by commas, or all")
    return ALSO if "all" in names else tuple(names)


def _as_alert(key: str, title: str, at: float) -> Alert:
    return Alert(key, title, "", at, severity="info")


def _account(code: int, printed: IO[bytes]) -> str:
    """How it ended and the last that it printed."""
    printed.seek(0, os.SEEK_END)
    printed.seek(max(0, printed.tell() - 2000))
    lines = [clean(line, 200) for line in printed.read().decode(errors="replace").splitlines() if line.strip()]
    return f"exit code {code}" + (f": {lines[-1]}" if lines else "")
