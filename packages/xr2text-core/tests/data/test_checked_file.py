"""A checked file gives what was saved, or nothing."""

import logging
from pathlib import Path

import pytest

from xr2text_core.data.checked_file import load_checked, save_checked


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 50])
def test_what_was_saved_is_loaded_and_nothing_else_is_left_behind(tmp_path: Path, payload: bytes) -> None:
    save_checked(tmp_path / "new" / "a.bin", payload)
    assert load_checked(tmp_path / "new" / "a.bin") == payload
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]


def test_a_missing_file_is_nothing_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_checked(tmp_path / "a.bin") is None
    assert caplog.text == ""


@pytest.mark.parametrize("at", range(0, 42, 3))
def test_any_flipped_byte_is_noticed(tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture) -> None:
    save_checked(tmp_path / "a.bin", b"0123456789")
    content = bytearray((tmp_path / "a.bin").read_bytes())
    content[at] ^= 1
    (tmp_path / "a.bin").write_bytes(content)
    assert load_checked(tmp_path / "a.bin") is None
    assert "a.bin is damaged" in caplog.text


@pytest.mark.parametrize("length", [0, 5, 32, 41])
def test_a_cut_file_is_noticed(tmp_path: Path, length: int) -> None:
    save_checked(tmp_path / "a.bin", b"0123456789")
    (tmp_path / "a.bin").write_bytes((tmp_path / "a.bin").read_bytes()[:length])
    assert load_checked(tmp_path / "a.bin") is None


def test_a_file_under_the_name_of_another_does_not_pass(tmp_path: Path) -> None:
    save_checked(tmp_path / "a.bin", b"0123456789")
    (tmp_path / "a.bin").rename(tmp_path / "b.bin")
    assert load_checked(tmp_path / "b.bin") is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.INFO):
        save_checked(tmp_path / "file" / "a.bin", b"0123456789")
    assert "could not be written" in caplog.text
    assert load_checked(tmp_path / "file" / "a.bin") is None
