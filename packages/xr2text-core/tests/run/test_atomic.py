"""Files that others read are whole at every moment, and no temporary file stays."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from xr2text_core.run.atomic import append_line, creating_folder, replace_text, replacing


def test_a_writer_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    replace_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    replace_text(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@dataclass
class Clock:
    """A clock that only sleeping moves; another program holds every file until `free_at_s`."""

    now_s: float = 0.0
    free_at_s: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, really_replace = Clock(), Path.replace

    def replace(self: Path, target: Path) -> Path:
        if clock.now_s < clock.free_at_s:
            raise PermissionError("open in another program, as Windows says")
        return really_replace(self, target)

    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setattr(Path, "replace", replace)
    return clock


@pytest.mark.parametrize(("durably", "free_at_s"), [(False, 0.5), (True, 9.5)])
def test_replacing_waits_for_a_reader_and_a_checkpoint_for_a_virus_scanner(
    tmp_path: Path, clock: Clock, durably: bool, free_at_s: float
) -> None:
    clock.free_at_s = free_at_s
    replace_text(tmp_path / "status.json", "new", durably)
    assert (tmp_path / "status.json").read_text() == "new"


@pytest.mark.parametrize(("durably", "least_s", "most_s"), [(False, 0.5, 1.0), (True, 10.0, 12.0)])
def test_a_program_that_never_lets_go_is_an_error_in_the_end(
    tmp_path: Path, clock: Clock, durably: bool, least_s: float, most_s: float
) -> None:
    clock.free_at_s = 1e9
    with pytest.raises(PermissionError):
        replace_text(tmp_path / "status.json", "new", durably)
    assert list(tmp_path.iterdir()) == []
    assert least_s <= clock.now_s <= most_s  # a status that is written every second must not hold up a step for long


def test_a_folder_appears_only_when_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "models" / "mine"
    with creating_folder(path) as folder:
        (folder / "a.txt").write_text("a")
        assert not path.exists()
    assert [file.name for file in path.iterdir()] == ["a.txt"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_all_files_of_a_folder_can_be_read_by_whom_its_other_files_can(tmp_path: Path) -> None:
    (tmp_path / "usual.txt").write_text("a")
    with creating_folder(tmp_path / "mine") as folder:
        (folder / "weights").touch(mode=0o600)
    assert (tmp_path / "mine" / "weights").stat().st_mode == (tmp_path / "usual.txt").stat().st_mode


def test_a_folder_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), creating_folder(tmp_path / "mine") as folder:
        (folder / "a.txt").write_text("half of i")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with creating_folder(tmp_path / "mine") as folder:
        (folder / "a.txt").write_text("a")
    assert (tmp_path / "mine" / "a.txt").is_file()


@pytest.mark.parametrize("taken", ["file", "folder/a.txt"])
def test_what_is_there_already_is_not_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("old")
    path = tmp_path / taken.split("/")[0]
    with (
        pytest.raises(FileExistsError, match=rf"{path.name}: exists and is not an empty folder"),
        creating_folder(path),
    ):
        pytest.fail("nothing may be written")
    assert (tmp_path / taken).read_text() == "old"


def test_a_torn_last_line_is_ended_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"at": 1}\n{"at": 2, "ki')
    append_line(path, '{"at": 3}')
    assert path.read_bytes() == b'{"at": 1}\n{"at": 2, "ki\n{"at": 3}\n'


def test_lines_are_utf_8_and_end_with_one_newline_on_every_system(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_line(path, "37 °C")
    append_line(path, "b")
    assert path.read_bytes() == "37 °C\nb\n".encode()


@pytest.mark.parametrize("failure", ["half of it", "fsync"])
def test_a_line_that_was_not_written_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    path, write = tmp_path / "history.csv", os.write
    append_line(path, "epoch,val_loss")

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    if failure == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
    with pytest.raises(OSError):
        append_line(path, "1,2.5")
    monkeypatch.undo()
    assert path.read_text() == "epoch,val_loss\n"
    append_line(path, "1,2.5")
    assert path.read_text() == "epoch,val_loss\n1,2.5\n"
