"""No command writes over what it reads."""

import os
from collections.abc import Iterable
from pathlib import Path

from xr2text_core.run.errors import UserError


def keep_inputs(flag: str, outputs: Iterable[Path], inputs: Iterable[Path | str]) -> None:
    """Raise UserError when an output, or its temporary neighbour, is an input: by any spelling of its name or link."""
    targets = {_identity(path): output for output in outputs for path in (output, _neighbour(output))}
    targets.pop(None, None)  # what does not exist yet
    for path in inputs if targets else ():
        output = targets.get(_identity(path))
        if output is not None:
            raise UserError(f"{flag} {output}: would overwrite the input {path}; nothing was written, name another")


def _neighbour(path: Path) -> Path:
    """The file that atomic writing fills first."""
    return path.with_name(f"{path.name}.tmp")


def _identity(path: Path | str) -> tuple[int, int] | None:
    """Return device and number of an existing file: the same for links and for other spellings of its name."""
    try:
        status = os.stat(path)  # noqa: PTH116 - strings, for speed with 200,000 images
    except OSError:
        return None
    return status.st_dev, status.st_ino
