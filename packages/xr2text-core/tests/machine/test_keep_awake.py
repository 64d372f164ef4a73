"""The lock against sleep, with the real wakepy: forced to fail, over a real D-Bus, and with a caffeinate of our own."""

import logging
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from xr2text_core.machine.keep_awake import keep_awake

TRAINING = """
from xr2text_core.machine.keep_awake import keep_awake
with keep_awake():
    print("training", flush=True)
    input()
"""
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>{address}</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


def train(**environment: str) -> "subprocess.Popen[str]":
    """A process that trains in the context until its input ends."""
    pipe = subprocess.PIPE
    environment = {**os.environ, **environment}
    return subprocess.Popen([sys.executable, "-c", TRAINING], env=environment, stdin=pipe, stdout=pipe, text=True)


def test_a_system_without_a_lock_is_told_and_trains(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WAKEPY_FORCE_FAILURE", "1")
    trained = False
    with caplog.at_level(logging.INFO, "xr2text_core"), keep_awake():
        trained = True
    assert trained and "no way to prevent sleep" in caplog.text


def test_a_lock_that_holds_is_no_news(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "1")
    with caplog.at_level(logging.INFO, "xr2text_core"), keep_awake():
        pass
    assert not [record for record in caplog.records if record.name.startswith("xr2text_core")]


def test_errors_of_the_training_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "1")
    with pytest.raises(ZeroDivisionError), keep_awake():
        raise ZeroDivisionError


class Desktop:
    """A session bus of its own, on which this test plays the session manager of GNOME."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:abstract=xr2text-{uuid.uuid4().hex}"
        config = folder / "bus.conf"
        config.write_text(BUS.format(address=self.address), encoding="utf-8")
        command = ["dbus-daemon", "--nofork", "--nopidfile", "--print-address=1", f"--config-file={config}"]
        self.bus = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.bus.stdout.readline()  # the address: the bus listens
        try:
            self._connect()
        except (OSError, EOFError, ValueError) as error:  # ValueError: a user without an entry in /etc/passwd
            self.bus.kill()
            pytest.skip(f"dbus-daemon serves nobody here: {error}")

    def _connect(self) -> None:
        from jeepney.bus_messages import MatchRule, message_bus
        from jeepney.io.blocking import Proxy, open_dbus_connection

        self.connection = open_dbus_connection(self.address)
        dbus = Proxy(message_bus, self.connection, timeout=120)
        assert dbus.RequestName("org.gnome.SessionManager") == (1,)
        leaving = MatchRule(type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged")
        dbus.AddMatch(leaving)

    def receive(self, member: str):
        """The next message of that name."""
        from jeepney.low_level import HeaderFields

        while True:
            message = self.connection.receive(timeout=120)
            if message.header.fields.get(HeaderFields.member) == member:
                return message

    def grant(self) -> str:
        """Answer the next call for a lock; returns who asked."""
        from jeepney import new_method_return
        from jeepney.low_level import HeaderFields

        call = self.receive("Inhibit")
        self.connection.send(new_method_return(call, "u", (7,)))
        return call.header.fields[HeaderFields.sender]

    def wait_until_gone(self, client: str) -> None:
        """Session managers drop the locks of a client whose name leaves the bus."""
        while self.receive("NameOwnerChanged").body[::2] != (client, ""):
            pass

    def end(self) -> None:
        self.connection.close()
        self.bus.kill()
        self.bus.wait()
        self.bus.stdout.close()


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    if not sys.platform.startswith("linux") or shutil.which("dbus-daemon") is None:
        pytest.skip("needs Linux and dbus-daemon")
    pytest.importorskip("jeepney")
    desktop = Desktop(tmp_path)
    yield desktop
    desktop.end()


def test_a_killed_training_gives_its_lock_back(desktop: Desktop) -> None:
    with train(DBUS_SESSION_BUS_ADDRESS=desktop.address) as training:
        client = desktop.grant()
        assert training.stdout.readline() == "training\n"
        training.kill()
        desktop.wait_until_gone(client)


def test_a_desktop_that_ended_first_does_not_fail_the_training(desktop: Desktop) -> None:
    with train(DBUS_SESSION_BUS_ADDRESS=desktop.address) as training:
        desktop.grant()
        assert training.stdout.readline() == "training\n"
        desktop.end()
        training.communicate("\n")
        assert training.returncode == 0


def test_the_child_that_holds_the_lock_of_a_mac_ends_with_a_killed_training(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "ended")
    caffeinate = tmp_path / "caffeinate"
    caffeinate.write_text(f'#!/bin/sh\n"$@"\necho released > "{tmp_path / "ended"}"\n', encoding="utf-8")
    caffeinate.chmod(0o755)
    mac = "import platform; platform.system = lambda: 'Darwin'\n"
    path = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", mac + TRAINING]
    with subprocess.Popen(command, env=path, stdin=pipe, stdout=pipe, text=True) as training:
        assert training.stdout.readline() == "training\n"
        training.kill()
    assert (tmp_path / "ended").read_text(encoding="utf-8") == "released\n"
