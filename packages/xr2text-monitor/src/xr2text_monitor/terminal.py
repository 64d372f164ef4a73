"""What a screen needs of its terminal, and leaving it as it was found."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

GONE = 129  # as shells count an end by SIGHUP
INSTEAD = "use --once, --json or --watch-log"


def why_no_screen() -> str:
    """Why a screen cannot be drawn or worked here; empty where it can. In a browser, textual-serve is the terminal."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return ""
    streams = (("input", sys.__stdin__), ("output", sys.__stdout__), ("error", sys.__stderr__))
    wrong = [name for name, stream in streams if stream is None or stream.closed or not stream.isatty()]
    if wrong:
        return f"the screen needs a terminal, and standard {wrong[0]} is not one: {INSTEAD}"
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return f"the screen needs a terminal that can place text, and TERM is {os.environ['TERM']}: {INSTEAD}"
    return ""


def leave_on_signals(leave: Callable[..., Any]) -> None:
    """`leave(return_code=N)` on SIGTERM and SIGHUP, as shells count them; for use inside a running event loop.

    Otherwise the terminal would stay in the alternate screen, with mouse reporting and without a cursor.
    """
    import asyncio  # here, so that a summary without a screen does not load it

    def told(number: int) -> None:
        leave_if_gone()
        leave(return_code=128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:
            continue
        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; another thread than the main one
            asyncio.get_running_loop().add_signal_handler(number, told, number)


def leave_if_gone() -> None:
    """End at once where the terminal has gone: nothing is to be restored, and Textual would wait to write to it.

    Its window may be closed without a signal that tells, as under nohup.
    """
    if why_no_screen():
        os._exit(GONE)


def interrupt_on_signals() -> None:
    """Ctrl-C and SIGTERM end a command that runs until then, also where it was started with Ctrl-C ignored
    (`nohup sh -c '... &'`, job schedulers)."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
