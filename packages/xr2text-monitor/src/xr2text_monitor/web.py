"""The same screen in a browser, on this machine only (loopback). Needs textual-serve: the extra `web`."""

import shlex
import sys
from collections.abc import Sequence

HOST = "127.0.0.1"
PORT = 8417


def serve(arguments: Sequence[str], port: int = PORT) -> int:
    """Serve `xr2text-monitor ARGUMENTS` until Ctrl-C; every browser tab gets a monitor of its own."""
    try:
        from textual_serve.server import Server
    except ImportError:
        print("--web needs textual-serve: pip install 'xr2text-monitor[web]'", file=sys.stderr)
        return 3
    print(f"serving on http://{HOST}:{port} for this machine only; from another one: ssh -L {port}:{HOST}:{port} ...")
    Server(command_line(arguments), host=HOST, port=port, title="xr2text-monitor").serve()
    return 0


def command_line(arguments: Sequence[str]) -> str:
    """The command that textual-serve starts in a shell for each tab."""
    return shlex.join([sys.executable, "-m", "xr2text_monitor.cli", *arguments])
