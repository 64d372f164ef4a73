"""What a run says: one line a message on the terminal, above the progress bar, and with the time in train.log."""

import logging
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, UnicodeError):  # a closed terminal must not end a training; train.log has the line
            tqdm.write(self.format(record))


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
        file = logging.FileHandler(log_file, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        package.addHandler(file)
