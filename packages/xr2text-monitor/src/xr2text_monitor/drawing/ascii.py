"""Text in plain ASCII, for terminals, fonts and locales without more; and when that is so."""

import codecs
from collections.abc import Mapping
from functools import lru_cache
from typing import TextIO

SAME = str.maketrans(
    {
        **dict.fromkeys("─┄┈╌╴╶▔", "-"),
        **dict.fromkeys("━═", "="),
        **dict.fromkeys("│┃┊┆║▌▐▏▎▍▕", "|"),
        **dict.fromkeys("┤├┼┬┴┐└┘┌╭╮╰╯", "+"),
        **dict(zip("▁▂▃▄▅▆▇█", "__..-=+#", strict=True)),
        **dict.fromkeys("░▒", "."),
        **dict.fromkeys("●★◆•▪", "*"),
        **dict.fromkeys("○◎◔◕", "o"),
        **dict(zip("▲✓✗■▼≈→←↑↓⏎…—–·×°", "!+x#v~><^v<~--.x ", strict=True)),
    }
)


@lru_cache(4096)
def to_ascii(text: str) -> str:
    """The same in as many cells: braille becomes dots, accents are left out, what is unknown is a question mark."""
    return "".join(letter if letter.isascii() else _one(letter) for letter in text.translate(SAME))


def wants_ascii(environ: Mapping[str, str], encoding: str | None) -> bool:
    """By the locale that the user has set, the first of LC_ALL, LC_CTYPE and LANG, as POSIX has it.

    Where none is set, as in most containers, terminals show UTF-8 nevertheless. The Linux console has no braille.
    Python itself puts LC_CTYPE=C.UTF-8 where the locale was C: that says nothing of the terminal.
    """
    if environ.get("TEXTUAL_DRIVER"):  # a browser, behind a pipe of whatever encoding
        return False
    if environ.get("TERM") == "linux":
        return True
    if encoding is not None and encoding.lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig"):
        return True
    names = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if names[1] == "C.UTF-8" and names[2] in ("C", "POSIX"):
        names[1] = ""
    first = next((name for name in names if name), "UTF-8").upper().replace("-", "")
    return "UTF8" not in first


def spell(stream: TextIO, is_ascii: bool) -> None:
    """Print what the stream cannot encode in ASCII instead of ending there; all of it where `is_ascii`."""
    codecs.register_error("to-ascii", _encode)
    if hasattr(stream, "reconfigure"):  # not where a test or a wrapper has taken its place
        stream.reconfigure(errors="to-ascii", **({"encoding": "ascii"} if is_ascii else {}))


def _encode(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


def _one(letter: str) -> str:
    if "\u2800" <= letter <= "\u28ff":
        return _braille(ord(letter) - 0x2800)
    import unicodedata  # a megabyte that is rarely needed

    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    cells = 0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
    return plain if len(plain) == cells else "?" * cells


def _braille(bits: int) -> str:
    """High dots are drawn high and low ones low."""
    if not bits:
        return " "
    upper, lower = bits & 0b00011011, bits & 0b11100100
    return ":" if upper and lower else "'" if upper else "."
