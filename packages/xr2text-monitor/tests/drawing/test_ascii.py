"""ASCII: every cell of every screen, cell for cell, and when it is asked for."""

import io
from pathlib import Path

import frozen
import pytest
from screen import KEYS, back_to_the_first, screen_text

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.drawing.ascii import spell, to_ascii, wants_ascii


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("● TRAINING → 85 °C…", "* TRAINING > 85  C~"),
        ("▲▲ █░ ━┄ ┤│ ⠉⣀⣿⠀", "!! #. =- +| '.: "),
        ("naïve — 日本 \U0001f600", "naive - ???? ??"),
        ("plain", "plain"),
    ],
)
def test_ascii_takes_as_many_cells(text: str, expected: str) -> None:
    assert to_ascii(text) == expected and to_ascii(text).isascii()


@pytest.mark.parametrize(
    ("environ", "encoding", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, "utf-8", False),
        ({"LC_ALL": "C.utf8"}, "utf-8", False),
        ({}, "utf-8", False),  # as in most containers
        ({"LC_ALL": "C"}, "utf-8", True),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, "utf-8", True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),  # the latter was set by Python
        ({"LANG": "de_DE.ISO-8859-1"}, "iso8859-1", True),
        ({"LANG": "de_DE@euro"}, "utf-8", True),
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, "utf-8", False),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, "utf-8", True),  # the console's font has no braille
        ({"LANG": "en_US.UTF-8"}, "ascii", True),
        ({"LANG": "en_US.UTF-8"}, None, False),
        ({"TEXTUAL_DRIVER": "x"}, "cp1252", False),  # --web on Windows
    ],
)
def test_the_locale_decides(environ: dict[str, str], encoding: str | None, expected: bool) -> None:
    assert wants_ascii(environ, encoding) is expected


async def test_all_that_is_drawn_is_ascii(tmp_path: Path) -> None:
    snapshot = frozen.hot(tmp_path)
    app = MonitorApp(snapshot, is_ascii=True)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.show(snapshot)
        app.notify("— a toast …", title="ü")
        for keys in KEYS:
            await pilot.press(*keys)
            await pilot.pause(0.1)
            drawn = screen_text(app)
            assert drawn.isascii(), f"{keys}: {sorted({letter for letter in drawn if not letter.isascii()})}"
            assert "TRAINING" in drawn or keys
            await back_to_the_first(pilot, app)


def test_printing_to_a_stream_without_the_letters_spells_them() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    spell(stream, is_ascii=False)
    print("85 °C → über", file=stream, end="", flush=True)
    assert stream.buffer.getvalue() == "85 °C > über".encode("latin-1")  # type: ignore[attr-defined]


def test_asked_for_ascii_all_of_it_is() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    spell(stream, is_ascii=True)
    print("85 °C → über", file=stream, end="", flush=True)
    assert stream.buffer.getvalue() == b"85  C > uber"  # type: ignore[attr-defined]
