"""status.json, events.jsonl, run.json and the checkpoints as they may be found."""

import json
from pathlib import Path

import pytest
from fake_run import FakeRun

from xr2text_monitor.readers.run_files import (
    NUM_EVENTS,
    EventsReader,
    JsonReader,
    RunFolder,
    Status,
    list_checkpoints,
    parse_time,
    run_info_from,
    status_from,
)


def test_status_is_read_field_by_field(tmp_path: Path) -> None:
    run = FakeRun(tmp_path, now=1_700_000_000)
    run.status(loss=2, best_epoch=None)
    contents = JsonReader(run.statistics / "status.json").read()
    assert contents is not None
    status = status_from(contents)
    assert (status.state, status.epoch, status.epochs, status.loss) == ("training", 13, 50, 2.0)
    assert status.updated_at == 1_700_000_000 and len(status.recent_losses) == 240 and status.best_epoch is None


def test_fields_of_the_wrong_type_are_missing() -> None:
    wrong = {
        "state": 5,
        "epoch": "x",
        "loss": True,
        "recent_losses": [1, "a", None],
        "pid": 1.5,
        "updated_at": 9,
        "eta_s": [],
    }
    status = status_from(wrong)
    assert status == Status(recent_losses=(1.0,))


def test_enormous_numbers_are_missing() -> None:
    assert status_from({"loss": 10**400, "pid": 10**30}) == Status()


def test_half_written_status_keeps_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    reader = JsonReader(path)
    assert reader.read() is None
    path.write_text('{"state": "training"}')
    assert reader.read() == {"state": "training"}
    for broken in ('{"state": "fin', "", "[]", "[" * 100_000, "\x00\xff"):
        path.write_text(broken)
        assert reader.read() == {"state": "training"}
    path.write_text('{"state": "finished"}')
    assert reader.read() == {"state": "finished"}
    path.unlink()
    assert reader.read() is None


def test_a_folder_where_a_file_is_expected_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    (tmp_path / "events.jsonl").mkdir()
    assert JsonReader(tmp_path / "status.json").read() is None
    assert list(EventsReader(tmp_path / "events.jsonl").read()) == []


def test_events_skip_what_is_no_event_and_keep_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '5\nnot json\n{"kind": "started", "message": "go", "epoch": 1, "at": "2026-01-01T00:00:00+00:00"}\n{"ki'
    )
    reader = EventsReader(path)
    assert [(one.kind, one.message, one.epoch, one.at) for one in reader.read()] == [("started", "go", 1, 1767225600.0)]
    with path.open("a") as file:
        file.write('nd": "x"}\n' * 1 + '{"kind": "y"}\n' * (NUM_EVENTS + 10))
    assert len(reader.read()) == NUM_EVENTS and reader.num_read == NUM_EVENTS + 12


def test_control_characters_from_files_are_not_kept(tmp_path: Path) -> None:
    status = status_from({"message": "a\x1b[31mred\nb\x07\u202e", "device": "[bold]x[/]"})
    assert status.message == "a [31mred b" and status.device == "[bold]x[/]"


def test_checkpoints_are_listed_newest_first_without_temporary_files(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    for age_s, name in enumerate(
        ["latest.pt", "best_model.pt", "checkpoint_epoch_10.pt", "latest.pt.tmp", "notes.txt"]
    ):
        run.checkpoint(name, 100, age_s)
    (run.checkpoints / "folder.pt").mkdir()
    found = list_checkpoints(run.checkpoints, Status(epoch=13, best_epoch=11))
    assert [(one.name, one.epoch) for one in found] == [
        ("latest.pt", None),  # as old as its file: the trainer may be further, or have just begun another epoch
        ("best_model.pt", 11),
        ("checkpoint_epoch_10.pt", 10),
    ]
    assert list_checkpoints(tmp_path / "nowhere", None) == []


def test_the_epoch_of_final_model_is_known_only_of_a_finished_run(tmp_path: Path) -> None:
    FakeRun(tmp_path).checkpoint("final_model.pt", 100)
    folder = FakeRun(tmp_path).checkpoints
    states = ("training", "finished")
    epochs = [list_checkpoints(folder, Status(state=state, epoch=50))[0].epoch for state in states]
    assert epochs == [None, 50]


def test_times_with_and_without_offset(tmp_path: Path) -> None:
    assert parse_time("2026-01-01T01:00:00+01:00") == parse_time("2026-01-01T00:00:00") == 1767225600.0
    assert (
        parse_time("yesterday") is None and parse_time(None) is None and parse_time("0001-01-01T00:00:00") is not None
    )


def test_run_json_may_hold_anything() -> None:
    assert run_info_from({"data": "iu-xray", "protocol": {"text": "coco", "deep": {}}}).protocol == "text: coco"
    assert run_info_from(json.loads('{"data": 5, "num_parameters": "x"}')).num_parameters is None


def test_named_runs_are_found_and_names_cannot_lead_elsewhere(tmp_path: Path) -> None:
    FakeRun(tmp_path, "night-1").status()
    folder = RunFolder.under(tmp_path)
    assert not folder.exists() and folder.named_runs() == ["night-1"]
    assert RunFolder.under(tmp_path, "night-1").exists()
    for name in ("../x", "/etc"):
        with pytest.raises(ValueError, match="--run"):
            RunFolder.under(tmp_path, name)
