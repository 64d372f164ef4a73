"""The log of a run: one line per message on the terminal, above the progress bar, and with timestamps in train.log."""

import logging
import os
import sys
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path

from tqdm import tqdm


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, UnicodeError):  # a closed terminal must not abort training; train.log has the line
            tqdm.write(self.format(record))


class _LogFile(WatchedFileHandler):
    """Reopens the file if it was deleted, and warns once if it cannot be written (a full disk)."""

    has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        if not self.has_failed:
            self.has_failed = True
            with suppress(OSError, UnicodeError):
                tqdm.write(f"[WARNING] {self.baseFilename} cannot be written ({sys.exc_info()[1]}); training continues")


def open_missing_streams() -> None:
    """Give a process without standard streams (`2>&-`, pythonw) empty ones.

    Else the next file that is opened would be taken for the terminal, and what reports errors would end the run.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole life


def set_up_console(log_file: Path | None = None, level: int = logging.INFO) -> None:
    """Send the messages of this package to the terminal and to `log_file`; calling it again only changes the file."""
    package = logging.getLogger("xr2text_core")
    package.setLevel(level)
    package.propagate = False
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()
    console = _AboveTheBar()
    console.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    package.addHandler(console)
    if log_file:
        file = _LogFile(log_file, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        package.addHandler(file)
