"""The same picture with the same report in two splits of a table: scores on such copies are too high."""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from xr2text_core.data.study import Study

MOST_COMPARED = 20_000  # studies whose files are looked at, rare reports first; more would take minutes at every start
PIECE = 65_536  # bytes from the middle of a file, read before the whole: uncompressed films are all of one length


def copies_across_splits(studies: Sequence[Study]) -> list[str]:
    """Return a warning when a film is in more than one split with the same report, byte for byte.

    Only films of equal reports are compared, by length, then by a piece, then by all bytes: few files are opened.
    """
    groups = sorted(_across(studies, lambda study: study.report), key=len)
    compared = copies = 0
    for group in groups:
        compared += len(group)
        if compared > MOST_COMPARED:
            break
        alike = (part for same in _across(group, _length) for part in _across(same, _piece))
        copies += sum(1 for part in alike for _ in _across(part, _digest))
    if not copies:
        return []
    who = "1 picture is" if copies == 1 else f"{copies} pictures are"
    return [f"LEAK: {who} in more than one split with the same report; scores on them are too high. Remove the copies"]


def _across(studies: Iterable[Study], key: Callable[[Study], Hashable]) -> Iterator[list[Study]]:
    """Yield the studies of the same key, where they are of different splits; None is no key."""
    groups: dict[Hashable, list[Study]] = {}
    for study in studies:
        groups.setdefault(key(study), []).append(study)
    groups.pop(None, None)
    return (group for group in groups.values() if len({study.split for study in group}) > 1)


def _length(study: Study) -> int | None:
    try:
        return os.stat(study.frontal).st_size  # noqa: PTH116 - strings, for speed
    except OSError:
        return None


def _piece(study: Study) -> bytes | None:
    try:
        with open(study.frontal, "rb") as file:  # noqa: PTH123
            file.seek(max(0, file.seek(0, os.SEEK_END) - PIECE) // 2)
            return file.read(PIECE)
    except OSError:
        return None


def _digest(study: Study) -> bytes | None:
    try:
        with open(study.frontal, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
