"""Finding the files of a data set: tables by name, images by name, and whether many files exist."""

import os
from pathlib import Path

from xr2text_core.data.images.formats import IMAGE_SUFFIXES


class Folders:
    """Answers whether files exist with one listing per folder instead of one question per file."""

    def __init__(self) -> None:
        self._listings: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - strings, for speed
            except OSError:
                self._listings[folder] = frozenset()
        return name in self._listings[folder]


def image_files(root: Path) -> dict[str, str]:
    """Return every image below `root` by its file name (the first in alphabetical order of folders wins)."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in names:
            if name.lower().endswith(IMAGE_SUFFIXES):
                found.setdefault(name, os.path.join(folder, name))  # noqa: PTH118 - strings, for speed
    return found


def find_file(root: Path, name: str) -> Path | None:
    """Return the file `name` (also with .gz) in `root` or one of its direct sub-folders."""
    for pattern in (name, f"{name}.gz", f"*/{name}", f"*/{name}.gz"):
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                return path
    return None
