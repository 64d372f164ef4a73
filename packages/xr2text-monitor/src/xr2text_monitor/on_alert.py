"""Runs the user's command when a warning is raised: a mail, a message, a sound."""

import os
import subprocess

from xr2text_monitor.alerts import Alert
from xr2text_monitor.text import clean


class AlertCommand:
    """Starts `command` in the shell and does not wait. What the warning says comes in the environment, never in the
    command line, so that no name can become a command."""

    def __init__(self, command: str, run: str) -> None:
        self.command, self.run_name = command, run
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, alert: Alert) -> None:
        """A command that cannot be started is no reason to stop watching."""
        self._started = [process for process in self._started if process.poll() is None]
        try:
            process = subprocess.Popen(
                self.command,
                shell=True,
                env={**os.environ, **environment(alert, self.run_name)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return
        self._started.append(process)

    def wait(self, timeout_s: float) -> None:
        """Let the started commands end; for --once, which would leave before them."""
        for process in self._started:
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return


def environment(alert: Alert, run: str) -> dict[str, str]:
    """XR2TEXT_ALERT (its key), _TITLE, _ADVICE, _VALUE, _SINCE (Unix seconds), _RUN."""
    value = "" if alert.value is None else f"{alert.value:g}"
    return {
        "XR2TEXT_ALERT": alert.key,
        "XR2TEXT_ALERT_TITLE": clean(alert.title),
        "XR2TEXT_ALERT_ADVICE": alert.advice,
        "XR2TEXT_ALERT_VALUE": value,
        "XR2TEXT_ALERT_SINCE": f"{alert.since:.0f}",
        "XR2TEXT_ALERT_RUN": clean(run, 100),
    }
