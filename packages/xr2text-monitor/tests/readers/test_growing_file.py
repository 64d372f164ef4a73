"""What a reader must survive: torn lines, truncation, replacement, folders that come and go."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from xr2text_monitor.readers.growing_file import GrowingFile, NewLines


def lines(file: GrowingFile) -> tuple[list[str], bool]:
    blocks = list(file.read())
    return [line for block in blocks for line in block.lines], any(block.restarted for block in blocks)


def test_half_written_line_is_not_shown_until_its_newline(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\ntw")
    file = GrowingFile(path)
    assert lines(file) == (["one"], False)
    path.write_text("one\ntwo\n")
    assert lines(file) == (["two"], False)
    assert lines(file) == ([], False)


def test_multibyte_letter_torn_in_two_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    data = "größe °C\n".encode()
    path.write_bytes(data[:3])
    file = GrowingFile(path)
    assert lines(file) == ([], False)
    path.write_bytes(data)
    assert lines(file) == (["größe °C"], False)


def test_truncated_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\ntwo\nthree\n")
    file = GrowingFile(path)
    lines(file)
    path.write_text("one\n")
    assert lines(file) == (["one"], True)


def test_replaced_file_is_read_from_its_beginning_even_when_longer(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\n")
    file = GrowingFile(path)
    lines(file)
    (tmp_path / "g").write_text("one\nTWO\nthree\n")
    (tmp_path / "g").replace(path)
    assert lines(file) == (["one", "TWO", "three"], True)


def test_rewrite_in_place_with_the_same_size_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\ntwo\n")
    file = GrowingFile(path)
    lines(file)
    path.write_text("one\nTWO\n")
    os.utime(path, ns=(1, 1))
    assert lines(file) == (["one", "TWO"], True)


def test_rewrite_in_place_that_ends_longer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\ntwo\n")
    file = GrowingFile(path)
    lines(file)
    path.write_text("one\nTWO\nthree\n")
    assert lines(file) == (["one", "TWO", "three"], True)


def test_folder_may_be_missing_removed_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "f"
    file = GrowingFile(path)
    assert lines(file) == ([], False)
    path.parent.mkdir()
    path.write_text("one\n")
    assert lines(file) == (["one"], False)
    shutil.rmtree(path.parent)
    assert lines(file) == ([], True)
    path.parent.mkdir()
    path.write_text("new\n")
    assert lines(file) == (["new"], False)


def test_file_of_many_blocks_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("".join(f"{number:0100}\n" for number in range(30_000)))
    found, _ = lines(GrowingFile(path))
    assert [int(line) for line in found] == list(range(30_000))


def test_no_descriptor_is_held_between_reads(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\n")
    file = GrowingFile(path)
    lines(file)
    descriptors = Path("/proc/self/fd")
    if descriptors.exists():
        assert path not in {link.readlink() for link in descriptors.iterdir() if link.is_symlink()}


def test_lines_that_could_not_be_read_on_the_way_are_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_text("".join(f"{number:0100}\n" for number in range(9000)))
    file = GrowingFile(path)
    blocks, found = GrowingFile._blocks, []

    def failing(self: GrowingFile, opened: BinaryIO) -> Iterator[NewLines]:
        yield next(blocks(self, opened))
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(GrowingFile, "_blocks", failing)
    found += lines(file)[0]
    assert 0 < len(found) < 9000 and file.problem == "Input/output error"
    monkeypatch.undo()
    found += lines(file)[0]
    assert [int(line) for line in found] == list(range(9000)) and file.problem == ""


def test_utf_16_is_told_and_read_once_it_is_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        bom = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
        path.write_bytes(bom + "one\n".encode(encoding))
        file = GrowingFile(path)
        assert lines(file) == ([], False) and "UTF-16" in file.problem
        assert lines(file) == ([], False) and "UTF-16" in file.problem
        path.write_text("one\ntwo\n", encoding="utf-8")
        os.utime(path, ns=(1, 1))
        assert lines(file)[0] == ["one", "two"] and file.problem == ""
