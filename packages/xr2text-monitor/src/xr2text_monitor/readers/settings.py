"""What two runs were started with, side by side: from their run.json."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xr2text_monitor.text import DASH, clean

EVERY_RUN = ("started_at", "settings.run", "command")  # differs between any two runs and explains nothing


@dataclass(frozen=True)
class Pair:
    """One setting of two runs, as text; a dash where a run does not have it."""

    name: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        return self.left != self.right and self.name not in EVERY_RUN


def compared(left: dict[str, Any], right: dict[str, Any]) -> list[Pair]:
    """All settings of both: the flags first, then the rest in the order of the files."""
    first, second = dict(flat(left)), dict(flat(right))
    names = sorted(dict.fromkeys((*first, *second)), key=lambda name: not name.startswith("settings."))
    return [Pair(clean(name, 80), first.get(name, DASH), second.get(name, DASH)) for name in names]


def flat(contents: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested objects as names with dots; lists and values as JSON."""
    for name, value in contents.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
