"""What a reader must survive: torn lines, truncation, replacement, folders that come and go."""

import os
import shutil
from pathlib import Path

from xr2text_monitor.growing_file import GrowingFile


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
