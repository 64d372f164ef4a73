"""The same screen in a browser, on this machine only (loopback). Needs textual-serve: the extra `web`."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
PORT = 8417
LOCAL_NAMES = (HOST, "localhost")


def serve(arguments: Sequence[str], port: int | None = None) -> int:
    """Serve `xr2text-monitor ARGUMENTS` until Ctrl-C; every browser tab gets a monitor of its own."""
    try:
        from textual_serve.server import Server
    except ImportError:
        print("--web needs textual-serve: pip install 'xr2text-monitor[web]'", file=sys.stderr)
        return 3
    free = free_port(PORT) if port is None else port

    class LocalServer(Server):
        """Answers pages of its own only: any page in the browser may try to reach a port of this machine."""

        async def _make_app(self) -> Any:
            app = await super()._make_app()
            app.middlewares.append(only_own_pages(free))
            return app

    print(f"serving on http://{HOST}:{free} for this machine only; from another one: ssh -L {free}:{HOST}:{free} ...")
    LocalServer(command_line(arguments), host=HOST, port=free, title="xr2text-monitor").serve()
    return 0


def only_own_pages(port: int) -> Callable[..., Awaitable[Any]]:
    """Middleware that refuses what comes from a foreign page, or under a foreign name (DNS rebinding)."""
    from aiohttp import web

    @web.middleware
    async def check(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        if not is_own(request.headers.get("Host", ""), request.headers.get("Origin"), port):
            raise web.HTTPForbidden(text="only pages of this monitor may talk to it")
        return await handler(request)

    return check


def is_own(host: str, origin: str | None, port: int) -> bool:
    """Whether a request names this server, and comes from a page of it or from none. `port` is ours; a tunnel may
    give it another number, the same in both."""
    named = urlsplit(f"//{host}")
    if named.hostname not in LOCAL_NAMES:
        return False
    if origin is None:
        return True
    page = urlsplit(origin)
    try:
        return page.scheme in ("http", "https") and page.hostname in LOCAL_NAMES and page.port in (named.port, port)
    except ValueError:
        return False


def command_line(arguments: Sequence[str]) -> str:
    """The command that textual-serve gives to a shell for each tab."""
    command = [sys.executable, "-m", "xr2text_monitor.cli", *arguments]
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def free_port(preferred: int) -> int:
    """`preferred`, or any other free port where that one is taken (a second monitor, say)."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, preferred))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
