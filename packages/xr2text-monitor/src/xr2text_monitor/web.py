"""The same screen in a browser, on this machine only (loopback). Needs textual-serve: the extra `web`."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence

HOST = "127.0.0.1"
PORT = 8417


def serve(arguments: Sequence[str], port: int | None = None) -> int:
    """Serve `xr2text-monitor ARGUMENTS` until Ctrl-C; every browser tab gets a monitor of its own."""
    try:
        from textual_serve.server import Server
    except ImportError:
        print("--web needs textual-serve: pip install 'xr2text-monitor[web]'", file=sys.stderr)
        return 3
    port = free_port(PORT) if port is None else port
    print(f"serving on http://{HOST}:{port} for this machine only; from another one: ssh -L {port}:{HOST}:{port} ...")
    Server(command_line(arguments), host=HOST, port=port, title="xr2text-monitor").serve()
    return 0


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
