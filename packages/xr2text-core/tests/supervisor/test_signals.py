"""The first signal asks, the second one insists, and afterwards signals mean what they meant before."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from xr2text_core.supervisor.signals import StopAfterStep

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a test could send")


SIGNALS = [
    (name, 128 + getattr(signal, name, 0)) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
]


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal() -> Iterator[None]:
    """Tests may run where SIGINT or SIGHUP is ignored: in the background of a script, or under nohup."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("name", "code"), SIGNALS)
def test_a_signal_sets_the_request_and_ends_nothing(name: str, code: int) -> None:
    with StopAfterStep() as stop:
        assert (bool(stop), stop.name) == (False, "")
        os.kill(os.getpid(), getattr(signal, name))
        assert (bool(stop), stop.name, stop.exit_code) == (True, name, code)


def test_the_handlers_of_before_are_restored_even_after_an_error() -> None:
    def mine(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with pytest.raises(RuntimeError), StopAfterStep():
            assert signal.getsignal(signal.SIGTERM) is not mine
            raise RuntimeError
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_after_a_signal_leaves_at_once_but_a_repeated_sigterm_does_not() -> None:
    program = (
        "import os, signal\n"
        "from xr2text_core.supervisor.signals import StopAfterStep\n"
        "with StopAfterStep():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('asked', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.returncode) == ("asked\n", 128 + signal.SIGINT)
    assert run.stderr.count("SIGTERM: finishing this step") == 1


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopAfterStep() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_does_not_keep_the_request_from_arriving(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(descriptor: int, data: bytes) -> int:
        raise OSError(5, "Input/output error")

    with StopAfterStep() as stop:
        monkeypatch.setattr(os, "write", closed)
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop


def test_outside_the_main_thread_nothing_is_noted_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def enter() -> None:
        with StopAfterStep() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
    assert "without saving" in caplog.text


def test_a_signal_writes_into_no_file_that_has_the_number_of_a_missing_terminal(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        f"file = open({str(tmp_path / 'data')!r}, 'wb')\n"
        "assert file.fileno() == 2 and sys.stderr is None\n"
        "from xr2text_core.supervisor.signals import StopAfterStep\n"
        "with StopAfterStep():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "$0" 2>&-', program], check=True, timeout=60)
    assert (tmp_path / "data").read_bytes() == b""
