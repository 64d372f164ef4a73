"""The report for a request for help: what helps is in it, and nothing of a data set is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from xr2text_core import doctor
from xr2text_core.doctor import main
from xr2text_core.drawing.names import draw_image
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.redact import FIELDS, WORDS, error_kinds, known_fields
from xr2text_core.run.status import Events, Status
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.trainer import Trainer

# Every word of the data set below is one of these and stands nowhere else.
SECRETS = ("quokka", "wombat", "numbat", "bilby", "dunnart", "50414267")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a data set whose folder, images, ids and texts are made of the secrets; one image is broken."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("run")
    root = folder / "wombat"
    root.mkdir()
    rows = ["image,report,study_id,patient_id,split"]
    for number in range(8):
        Image.fromarray(draw_image(f"phantom:0/{number}", 64)).save(root / f"quokka{number}.png")
        split = "train" if number < 5 else "val"
        rows.append(f"quokka{number}.png,Numbat near the bilby.,s50414267{number},dunnart{number},{split}")
    (root / "quokka0.png").write_bytes(b"")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    flags = ["--data", "manifest", "--root", str(root), "--preset", "phantom", "--image-size", "64", "--epochs", "1"]
    assert Trainer(settings_of(parse_arguments([*flags, "--out", str(folder), "--batch", "4"]))).fit() == 0
    return folder


def report(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert main(["--out", str(folder), *flags]) == 0
    return capsys.readouterr().out


def assert_no_secret_in(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text.lower()] == []


def test_the_run_itself_knows_the_secrets(trained: Path) -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in (trained / "data/statistics").glob("*.*"))
    assert "quokka0" in written and "wombat" in written, "otherwise the next tests prove nothing"


def test_nothing_of_a_data_set_is_told(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(trained, capsys)
    assert_no_secret_in(told)
    assert str(trained) not in told
    for fact in ("state=finished", "epoch=1", "encoder=phantom", "data=manifest", "train=5", "left_out=1"):
        assert fact in told, fact
    assert "kind=started" in told and "kind=finished" in told


def test_errors_that_quote_a_data_set_are_told_by_their_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.under(tmp_path)
    folder.create()
    message = "ImageError: /home/dunnart/wombat/p10/s50414267/quokka.png: [Errno 5] Input/output error"
    status = Status(folder.status, "wombat", folder.checkpoints)
    status.update(state="failed", message=message, device="quokka", last_checkpoint="numbat.pt", bilby=1)
    events = Events(folder.events)
    events.add("failed", message, epoch=3, step=17)
    events.add("image_lost", "quokka.png can no longer be read", image="quokka.png", epoch=3)
    events.add("numbat", "a kind of tomorrow", epoch=3, bilby="quokka")
    events.add("restarted", f"The trainer was killed by SIGSEGV (its last status: failed, {message})", signal="SIGSEGV")
    events.add("checkpoint_failed", "numbat", checkpoint="latest.pt", reason=f"No space left on device: {message}")
    folder.run_json.write_text(
        json.dumps(
            {
                "command": ["train", "--root", "wombat"],
                "settings": {"root": "wombat", "out": "bilby", "run": "numbat", "encoder": "/home/dunnart/resnet18"},
                "data": {"name": "quokka", "root": "wombat", "left_out": {"bilby": 3}, "notes": ["dunnart"]},
            }
        ),
        encoding="utf-8",
    )
    told = report(tmp_path, capsys)
    assert_no_secret_in(told)
    assert "state=failed" in told and "errors: ImageError, Errno 5" in told
    assert "kind=restarted signal=SIGSEGV" in told
    assert "checkpoint=latest.pt errors: No space left on device" in told
    assert "kind=(left out)" in told and "encoder=(left out)" in told and "left_out=3" in told


def test_a_cuda_error_is_recognized() -> None:
    event = {"kind": "failed", "message": "AcceleratorError: CUDA error: device-side assert triggered"}
    assert error_kinds(event) == ["errors: AcceleratorError, CUDA error, device-side assert"]


def test_only_the_last_events_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder.under(tmp_path, "night")
    folder.create()
    lines = [json.dumps({"kind": "skipped_step", "step": step}) for step in range(100)]
    folder.events.write_text("\n".join([*lines, '{"kind": "half a li']), encoding="utf-8")
    told = report(tmp_path, capsys, "--run", "night")
    assert told.count("kind=skipped_step") == doctor.NUM_EVENTS - 1
    assert "step=99" in told and "step=80" not in told


def test_without_a_run_the_computer_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(tmp_path / "nothing" / "here", capsys)
    for part in ("versions", "torch", "memory", "disk", "no status.json", "no run.json", "no events.jsonl"):
        assert part in told


def test_files_of_something_else_are_no_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder.under(tmp_path)
    folder.create()
    folder.status.write_text("[1, 2]", encoding="utf-8")
    folder.run_json.write_text('{"settings": 7, "data": {"splits": [], "left_out": null}}', encoding="utf-8")
    folder.events.write_bytes(b'\xff\xfe\n{"kind": 7, "at": []}\nnull\n')
    told = report(tmp_path, capsys)
    assert "no status.json" in told and "not available" not in told


def test_a_part_that_fails_does_not_take_the_others_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[str]:
        raise OSError("libcudart of /home/dunnart is missing")

    monkeypatch.setattr(doctor, "torch_gpu", broken)
    told = report(tmp_path, capsys)
    assert "not available: OSError" in told and "no events.jsonl" in told
    assert_no_secret_in(told)


def test_an_impossible_run_name_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--run", "../x"]) == 2
    assert "--run" in capsys.readouterr().err


def test_a_local_model_folder_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dunnart").mkdir()
    monkeypatch.chdir(tmp_path)
    values = {"encoder": "dunnart", "decoder": "GanjinZero/biobart-base"}
    assert known_fields(values, values.keys()) == ["encoder=(left out)", "decoder=GanjinZero/biobart-base"]


def test_every_documented_kind_of_event_is_known(documented: Callable[[str], list[str]]) -> None:
    assert set(documented("events.jsonl")) <= WORDS


def test_every_documented_field_of_the_status_is_told_or_left_out_on_purpose(
    documented: Callable[[str], list[str]],
) -> None:
    private = {"format", "run", "pid", "host", "process_started_s", "recent_losses", "checkpoints_dir", "message"}
    assert set(documented("status.json")) - private <= FIELDS
