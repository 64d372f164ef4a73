"""The command that the browser's screens are started with, and the port."""

import shlex
import socket
import sys

import pytest

from xr2text_monitor import web


def test_each_tab_starts_a_monitor_with_the_same_options() -> None:
    assert shlex.split(web.command_line(["--run", "a b; touch x"]))[1:] == [
        "-m",
        "xr2text_monitor.cli",
        "--run",
        "a b; touch x",
    ]


def test_a_port_in_use_is_not_taken() -> None:
    with socket.socket() as other:
        other.bind((web.HOST, 0))
        taken = other.getsockname()[1]
        assert web.free_port(taken) != taken


def test_only_this_machine_is_served() -> None:
    assert web.HOST == "127.0.0.1"


def test_without_textual_serve_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    assert web.serve([]) == 3
    assert "xr2text-monitor[web]" in capsys.readouterr().err
