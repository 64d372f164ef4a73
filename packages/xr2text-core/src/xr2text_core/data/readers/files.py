"""Finding the files of a data set: tables by name, images by name, and which of many paths exist."""

import os
from pathlib import Path

from xr2text_core.data.images.formats import IMAGE_SUFFIXES


class Folders:
    """Finds existing files, with one listing per folder instead of one call per file."""

    def __init__(self) -> None:
        self._listings: dict[str, frozenset[str]] = {}
        self._lower: dict[str, dict[str, str]] = {}  # by folder: names by their lower case

    def has(self, path: str) -> bool:
        folder, name = os.path.split(path)
        return name in self._names(folder)

    def find(self, path: str) -> str | None:
        """Return the path as it exists: also for backslashes of Windows, and names in other letters (.JPG, .jpg)."""
        if self.has(path):
            return path
        folder, name = os.path.split(path.replace("\\", "/"))
        folder = os.path.normpath(folder)
        if folder not in self._lower:
            self._lower[folder] = {known.lower(): known for known in sorted(self._names(folder))}
        known = name if name in self._names(folder) else self._lower[folder].get(name.lower())
        return None if known is None else os.path.join(folder, known)  # noqa: PTH118 - strings, for speed

    def _names(self, folder: str) -> frozenset[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - strings, for speed
            except OSError:
                self._listings[folder] = frozenset()
        return self._listings[folder]


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
