"""The command that the browser's screens are started with, and the port."""

import asyncio
import shlex
import socket
import sys
from pathlib import Path

import pytest

from xr2text_monitor import cli, web


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


@pytest.mark.parametrize(
    ("host", "origin", "is_own"),
    [
        ("127.0.0.1:8417", None, True),
        ("localhost:8417", "http://localhost:8417", True),
        ("127.0.0.1:8417", "http://127.0.0.1:8417", True),
        ("localhost:9000", "http://localhost:9000", True),  # through ssh -L 9000:127.0.0.1:8417
        ("127.0.0.1:8417", "http://evil.example", False),
        ("127.0.0.1:8417", "https://evil.example:8417", False),
        ("127.0.0.1:8417", "http://127.0.0.1.evil.example:8417", False),
        ("127.0.0.1:8417", "http://localhost:3000", False),  # another server of this machine
        ("127.0.0.1:8417", "http://localhost:x", False),
        ("127.0.0.1:8417", "null", False),
        ("127.0.0.1:8417", "", False),
        ("evil.example:8417", "http://evil.example:8417", False),  # a foreign name that was made to point here
        ("evil.example", None, False),
        ("", None, False),
    ],
)
def test_only_pages_of_its_own_may_talk_to_it(host: str, origin: str | None, is_own: bool) -> None:
    assert web.is_own(host, origin, 8417) is is_own


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("http://127.0.0.1:{port}", 101), (None, 101)]
)
def test_the_web_socket_refuses_foreign_pages(origin: str | None, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through aiohttp's own server and a real socket; no screen is started behind it."""
    aiohttp = pytest.importorskip("aiohttp.web")

    async def ask() -> str:
        async def upgrade(request: object) -> object:
            socket_of_page = aiohttp.WebSocketResponse()
            await socket_of_page.prepare(request)
            await socket_of_page.close()
            return socket_of_page

        port = web.free_port(0)
        app = aiohttp.Application(middlewares=[web.only_own_pages(port)])
        app.add_routes([aiohttp.get("/ws", upgrade)])
        runner = aiohttp.AppRunner(app)
        await runner.setup()
        await aiohttp.TCPSite(runner, web.HOST, port).start()
        reader, writer = await asyncio.open_connection(web.HOST, port)
        lines = ["GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"]
        lines += [f"Origin: {origin.format(port=port)}"] if origin else []
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = (await reader.readline()).decode()
        writer.close()
        await runner.cleanup()
        return answer

    assert asyncio.run(ask()).split()[1] == str(status)


def test_the_served_page_is_guarded_and_its_tabs_start_no_server_and_no_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: list[object] = []
    server = pytest.importorskip("textual_serve.server")

    def serve(self: object) -> None:
        served.append(self)

    monkeypatch.setattr(server.Server, "serve", serve)
    options = ["--web", "--out", str(tmp_path), "--on-alert", "touch x", "--on", "finished", "--no-gpu", "--run", "a"]
    assert cli.main(options) == 0
    (found,) = served
    assert shlex.split(found.command)[3:] == ["--out", str(tmp_path), "--no-gpu", "--run", "a"]
    assert len(asyncio.run(found._make_app()).middlewares) == 1
