"""The screen in a real pseudo-terminal: what it needs, and how it leaves."""

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fake_run import FakeRun

MONITOR = [sys.executable, "-m", "xr2text_monitor.cli", "--no-gpu"]
OFF = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l")  # alternate screen, hidden cursor, mouse reporting


class Terminal:
    """The monitor in a pseudo-terminal of its own."""

    def __init__(self, folder: Path, ignored: str = "") -> None:
        self.drawn = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color")
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # however these tests were started, under nohup for example
                signal.signal(getattr(signal, name), signal.SIG_IGN if name == ignored else signal.SIG_DFL)
            os.execv(sys.executable, [*MONITOR, "--out", str(folder)])
        os.set_blocking(self.master, False)

    def read_until(self, text: bytes, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in self.drawn:
            assert time.monotonic() < deadline, self.drawn[-500:]
            self.read()
            time.sleep(0.02)

    def read(self) -> None:
        with suppress(OSError):
            self.drawn += os.read(self.master, 1 << 16)

    def ended(self, timeout_s: float = 30.0) -> int:
        """The exit code, once it has left; what it still draws is read."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read()
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.02)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_screen_restores_the_terminal(tmp_path: Path, name: str) -> None:
    FakeRun(tmp_path).typical()
    terminal = Terminal(tmp_path)
    terminal.read_until(b"TRAINING")
    os.kill(terminal.pid, getattr(signal, name))
    assert terminal.ended() == 128 + getattr(signal, name)
    assert all(code in terminal.drawn for code in OFF)


def test_the_keyboard_ends_it_also_where_signals_are_ignored(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, ignored="SIGINT")
    terminal.read_until(b"WAITING")
    os.write(terminal.master, b"\x03")
    assert terminal.ended() == 0 and all(code in terminal.drawn for code in OFF)


@pytest.mark.parametrize("ignored", ["", "SIGHUP"])
def test_a_terminal_that_goes_away_ends_it(tmp_path: Path, ignored: str) -> None:
    """Its window was closed; with SIGHUP ignored, as by nohup, reading from it fails instead."""
    terminal = Terminal(tmp_path, ignored)
    terminal.read_until(b"WAITING")
    os.close(terminal.master)
    process = psutil.Process(terminal.pid)
    deadline = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.05)
    os.waitpid(terminal.pid, 0)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_without_a_terminal_it_says_what_to_use_instead(tmp_path: Path, stream: str) -> None:
    main, other = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), other)
    streams[stream] = subprocess.DEVNULL if stream == "stdin" else subprocess.PIPE
    try:
        done = subprocess.run([*MONITOR, "--out", str(tmp_path)], timeout=60, **streams)
        drawn = os.read(main, 1 << 16) if stream != "stderr" else done.stderr
    finally:
        os.close(main)
        os.close(other)
    word = {"stdin": b"standard input", "stdout": b"standard output", "stderr": b"standard error"}[stream]
    assert done.returncode == 2 and word in drawn and b"--once" in drawn and b"--watch-log" in drawn
    assert b"\x1b" not in drawn and not done.stdout


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_a_terminal_that_cannot_place_text_gets_a_word(tmp_path: Path, kind: str) -> None:
    main, other = pty.openpty()
    try:
        command = [*MONITOR, "--out", str(tmp_path)]
        environment = {**os.environ, "TERM": kind}
        done = subprocess.run(command, env=environment, stdin=other, stdout=other, stderr=other, timeout=60)
        drawn = os.read(main, 1 << 16)
    finally:
        os.close(main)
        os.close(other)
    assert done.returncode == 2 and f"TERM is {kind}".encode() in drawn and b"--once" in drawn and b"\x1b" not in drawn
