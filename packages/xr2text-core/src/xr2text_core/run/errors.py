"""The errors that commands print as one line."""

from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """What the user can put right; the message names the path, the row or the flag, and what to do. Exit code 2."""


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """UserError where a file that is to be written is one that is read, by whatever name."""
    read = [path for path in inputs if path.exists()]
    for output in outputs:
        if output.exists() and any(output.samefile(path) for path in read):
            raise UserError(f"{output} would be written, but it is read too; give another file or folder with --out")
