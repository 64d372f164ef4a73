"""The list before a night: what it says, how it ends, and that it leaves everything as it was."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from huggingface_hub import constants

from xr2text_core import preflight
from xr2text_core.checks import survey
from xr2text_core.checks.hardware import Card, Check, TorchGpu
from xr2text_core.checks.run import in_words
from xr2text_core.checks.survey import Device, Findings, all_checks, quick_checks
from xr2text_core.machine.nvml import GpuReading
from xr2text_core.preflight import conclusion, main, table
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.status import Status
from xr2text_core.settings import arguments
from xr2text_core.settings.arguments import settings_of
from xr2text_core.settings.settings import Settings

TINY = [
    "--num-studies", "24", "--val-studies", "6", "--image-size", "64", "--max-tokens", "48", "--batch", "8",
    "--accumulation", "2", "--epochs", "5", "--device", "cpu",
]  # fmt: skip
LAPTOP = ["--preset", "laptop", "--device", "cpu"]


def settings(folder: Path, *flags: str) -> Settings:
    return settings_of(arguments.parse_arguments([*TINY, "--out", str(folder), *flags]))


def look(folder: Path, *flags: str) -> dict[str, Check]:
    findings = all_checks(settings(folder, *flags), None, "--fresh" in flags, lambda _: None)
    checks = {check.name: check for check in findings.checks}
    assert len(checks) == len(findings.checks), "no name stands twice"
    return checks


def files_under(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def someone_training(tmp_path: Path) -> Iterator[RunFolder]:
    """A run whose status says that another process, which lives, is at work."""
    folder = RunFolder.under(tmp_path)
    folder.create()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        status = Status(folder.status, "", folder.checkpoints)
        status.fields.update(pid=process.pid, process_started_s=psutil.Process(process.pid).create_time())
        status.update(state="training")
        yield folder
        process.kill()


# -- the whole list


def test_a_phantom_run_on_a_cpu_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--out", str(tmp_path)]) == preflight.EXIT_READY
    printed = capsys.readouterr().out
    rows = [line.split()[:2] for line in printed.splitlines() if line and not line.startswith(" ")]
    names = ["run", "settings", "GPU", "power", "weights", "data", "disk", "memory", "time"]
    assert [name for name, _ in rows[:-1]] == names
    assert "16 studies per update" in printed and "Ready" in printed.splitlines()[-1]
    assert "\033" not in printed, "colours are for terminals"
    assert files_under(tmp_path) == {}


def test_json_says_the_same_with_the_numbers_behind_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--out", str(tmp_path), "--json"]) == preflight.EXIT_READY
    told = json.loads(capsys.readouterr().out)
    assert told["is_ready"] and {check["outcome"] for check in told["checks"]} <= {"pass", "warning"}
    assert told["memory"]["total"] > told["memory"]["state"] > 0
    assert list(told["time"]["epoch_s"]) == ["normal_cases", "single_region", "multi_region", "complex_cases"]
    assert told["time"]["run_s"] > 0 and told["speed"]["studies_in_step"] in (8, 16)


def test_a_data_set_that_is_not_there_fails_and_the_rest_is_still_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", "manifest", "--root", str(tmp_path / "nowhere"), "--preset", "phantom"]
    assert main([*TINY, "--out", str(tmp_path), *flags]) == preflight.EXIT_NOT_READY
    printed = capsys.readouterr().out
    assert "no such file or folder" in " ".join(printed.split())
    assert "power" in printed and printed.splitlines()[-1] == "Not ready: 1 of 6 checks failed (data)."


def test_an_unreadable_image_is_a_warning_and_nothing_but_those_a_failure(tmp_path: Path) -> None:
    from PIL import Image

    rows = ["image,report,split"]
    for number in range(4):
        Image.new("L", (32, 32), 40 * number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,No pleural effusion.,{'val' if number == 3 else 'train'}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    flags = ("--data", "manifest", "--root", str(tmp_path), "--preset", "phantom")
    assert look(tmp_path, *flags)["data"].outcome == "pass"
    (tmp_path / "0.png").write_bytes(b"")
    check = look(tmp_path, *flags)["data"]
    assert (check.outcome, "2 of the first 3 images decoded" in check.found) == ("warning", True)
    assert "the file is empty" in check.advice
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"")
    checks = look(tmp_path, *flags)
    assert checks["data"].outcome == "fail"
    assert checks["time"].found.startswith("not measured: none of the first images")


def test_what_spoils_scores_is_a_warning_and_too_few_patients_a_failure(tmp_path: Path) -> None:
    from PIL import Image

    def check_of(*rows: str) -> Check:
        (tmp_path / "manifest.csv").write_text("\n".join(["image,report,patient_id,split", *rows]), encoding="utf-8")
        return look(tmp_path, "--data", "manifest", "--root", str(tmp_path), "--preset", "phantom")["data"]

    for number in range(3):
        Image.new("L", (32, 32), 40 * number).save(tmp_path / f"{number}.png")
    text = "No pleural effusion."
    leak = check_of(f"0.png,{text},a,train", f"1.png,{text},a,test", f"2.png,{text},b,val")
    assert (leak.outcome, "LEAK: 1 patient" in leak.advice) == ("warning", True)
    few = check_of(*(f"{number}.png,{text},a," for number in range(3)))
    assert (few.outcome, few.found.partition(";")[0]) == ("fail", "3 studies of 1 patient cannot be split")
    german = check_of(*(f"{number}.png,Kein Infiltrat,{number}," for number in range(3)))
    assert (german.outcome, "not English" in german.advice) == ("warning", True)


def test_an_encoder_that_nobody_knows_fails_once(tmp_path: Path) -> None:
    findings = all_checks(settings(tmp_path, "--encoder", "no_such_encoder"), None, False, lambda _: None)
    assert findings.names("fail") == ["weights"]
    assert "has no such model" in next(check.found for check in findings.checks if check.name == "weights")


# -- a run that is there


def test_a_training_under_way_is_neither_disturbed_nor_doubled(someone_training: RunFolder, tmp_path: Path) -> None:
    before = files_under(tmp_path)
    checks = look(tmp_path)
    assert checks["run"].outcome == "fail" and "is training in" in checks["run"].found
    assert checks["time"].found == "not measured: a run is training in this folder"
    assert files_under(tmp_path) == before


def test_a_run_that_lies_there_is_resumed_or_moved_aside(tmp_path: Path) -> None:
    folder = RunFolder.under(tmp_path)
    folder.create()
    folder.latest.touch()
    same = asdict(settings(tmp_path))
    folder.run_json.write_text(json.dumps({"settings": same}), encoding="utf-8")
    assert quick_run(tmp_path).found.startswith("resumes the one in")
    assert quick_run(tmp_path, fresh=True).found.endswith("is moved aside")
    folder.run_json.write_text(json.dumps({"settings": {**same, "seed": 7}}), encoding="utf-8")
    check = quick_run(tmp_path)
    assert check.outcome == "fail" and "seed: 7 -> 0" in check.found and "--fresh" in check.advice
    folder.run_json.write_text("half a li", encoding="utf-8")
    assert quick_run(tmp_path).outcome == "pass", "the trainer checks the checkpoint itself"


def quick_run(folder: Path, fresh: bool = False) -> Check:
    from xr2text_core.checks.run import check_run

    return check_run(settings(folder), None, fresh)


def test_a_checkpoint_to_resume_from_must_exist(tmp_path: Path) -> None:
    from xr2text_core.checks.run import check_run

    assert check_run(settings(tmp_path), tmp_path / "gone.pt", False).outcome == "fail"
    (tmp_path / "here.pt").touch()
    assert check_run(settings(tmp_path), tmp_path / "here.pt", False).outcome == "pass"


def test_what_a_run_has_written_already_is_not_asked_of_the_disk_again(tmp_path: Path) -> None:
    from xr2text_core.checks.run import check_disk_of

    def needed(fresh: bool = False) -> str:
        return check_disk_of(settings(tmp_path), 120_000_000, 0, fresh).found.partition("free, ")[2].split(" needed")[0]

    assert needed() == "600 MB"  # four to keep and one in the making
    folder = RunFolder.under(tmp_path)
    folder.create()
    folder.best.write_bytes(bytes(120_000_000))
    assert needed() == "480 MB"
    assert needed(fresh=True) == "600 MB"


def test_a_laptop_run_is_asked_for_the_disk_of_the_guide(tmp_path: Path) -> None:
    from xr2text_core.checks.run import check_disk_of

    laptop = settings_of(arguments.parse_arguments([*LAPTOP, "--out", str(tmp_path)]))
    assert "31.8 GB needed (13 checkpoints of 2.3 GB" in check_disk_of(laptop, 2_270_000_000, 0, False).found
    assert "free disk: 32 GB for the laptop preset" in (Path(__file__).parents[3] / "docs/guide.md").read_text()


# -- the quick part


def test_the_quick_part_looks_neither_at_data_nor_takes_a_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", "manifest", "--root", str(tmp_path / "nowhere"), "--preset", "phantom"]
    assert main([*TINY, "--out", str(tmp_path), *flags, "--quick"]) == preflight.EXIT_READY
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line and not line.startswith(" ")]
    assert rows[:-1] == ["settings", "GPU", "power", "disk", "weights"]
    assert files_under(tmp_path) == {}


def test_weights_that_cannot_be_had_fail_before_a_night_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    laptop = settings_of(arguments.parse_arguments([*LAPTOP, "--out", str(tmp_path)]))
    weights = quick_checks(laptop)[-1]
    assert (weights.name, weights.outcome) == ("weights", "fail")
    assert "--pretrained none" in weights.advice and "local folder" in weights.advice
    assert quick_checks(laptop, resumes=True)[-1].outcome == "pass", "a checkpoint has its weights"


def test_only_the_half_that_is_pretrained_needs_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    file = tmp_path / "test_resnet.pth"
    file.touch()
    flags = [*LAPTOP, "--out", str(tmp_path), "--pretrained", "encoder"]
    weights = quick_checks(settings_of(arguments.parse_arguments([*flags, "--encoder", str(file)])))[-1]
    assert (weights.outcome, weights.found) == ("pass", "encoder from a local file; decoder from scratch")
    weights = quick_checks(settings_of(arguments.parse_arguments(flags)))[-1]
    assert weights.outcome == "fail" and "--encoder" in weights.found and "--pretrained decoder" in weights.advice


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        (["--patience", "3"], "may end early"),
        (["--batch", "8", "--accumulation", "8"], "tuned for 32 studies"),
        (["--epochs", "3", "--patience", "3"], "Fewer epochs than the 4 stages"),
    ],
)
def test_settings_with_an_overlooked_consequence_are_a_warning(flags: list[str], advice: str) -> None:
    from xr2text_core.checks.run import check_settings

    assert check_settings(settings_of(arguments.parse_arguments([]))).outcome == "pass"
    check = check_settings(settings_of(arguments.parse_arguments(flags)))
    assert check.outcome == "warning" and advice in check.advice


# -- a GPU, where there is none


def on_card(monkeypatch: pytest.MonkeyPatch, total_gib: float, used_gib: float = 0.0) -> None:
    gpu = TorchGpu("12.8", name="a card", memory_bytes=int(total_gib * 2**30))
    reading = GpuReading(0, "a card", None, 40.0, 87.0, used_gib * 1024, total_gib * 1024, 0.0, ())
    monkeypatch.setattr(survey, "probe_device", lambda _: Device(gpu, reading, []))


def test_the_peak_is_compared_with_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_card(monkeypatch, total_gib=8.0, used_gib=0.5)
    check = look(tmp_path)["GPU memory"]
    assert check.outcome == "pass" and check.found.endswith("of 8.0 GiB; other programs use 0.5 GiB")


def test_a_card_filled_by_others_is_not_measured_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_card(monkeypatch, total_gib=8.0, used_gib=7.9)
    checks = look(tmp_path)
    assert checks["GPU memory"].outcome == checks["time"].outcome == "warning"
    assert "Close other programs" in checks["GPU memory"].advice
    assert "0.1 GiB are free" in checks["time"].found


def test_a_card_too_small_for_the_model_fails_and_one_for_smaller_batches_does_not() -> None:
    from xr2text_core.checks.estimates import MemoryEstimate
    from xr2text_core.checks.run import check_gpu_memory

    estimate = MemoryEstimate(state=3 * 2**30, images=0, activations=2 * 2**30, logits=0)
    check = check_gpu_memory(estimate, Card(3 * 2**30, 0, spills=False), None)
    assert check.outcome == "fail" and "--encoder" in check.advice
    check = check_gpu_memory(estimate, Card(4 * 2**30, 0, spills=False), None)
    assert check.outcome == "warning" and "halves the batch" in check.advice


def test_a_computer_too_small_to_copy_a_checkpoint_is_a_warning() -> None:
    from xr2text_core.checks.run import check_memory

    assert check_memory(5 * 2**30, 8 * 2**30).outcome == "pass"
    assert check_memory(5 * 2**30, 4 * 2**30).outcome == "warning"


def test_windows_is_told_of_the_memory_that_spills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xr2text_core.checks.estimates import MemoryEstimate
    from xr2text_core.checks.run import check_gpu_memory

    estimate = MemoryEstimate(state=3 * 2**30, images=0, activations=2 * 2**30, logits=0)
    tight, ample = Card(6 * 2**30, 0, spills=True), Card(24 * 2**30, 0, spills=True)
    assert "Sysmem Fallback" in check_gpu_memory(estimate, tight, None).advice
    assert check_gpu_memory(estimate, ample, None).advice == ""
    assert "measured: 4.6 GiB" in check_gpu_memory(estimate, ample, 4 * 2**30).found


# -- the command


def test_flags_that_cannot_be_used_end_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--epochs", "none"])
    assert ended.value.code == preflight.EXIT_UNUSABLE
    assert main([*TINY, "--out", str(tmp_path), "--run", "../elsewhere"]) == preflight.EXIT_UNUSABLE
    assert "--run" in capsys.readouterr().err


def test_every_flag_of_train_is_understood() -> None:
    flags = ["--preset", "laptop", "--resume", "latest.pt", "--no-curriculum", "--run", "night"]
    assert settings_of(preflight.parse_arguments(flags)) == settings_of(arguments.parse_arguments(flags))


@pytest.mark.parametrize("command", ["preflight", "doctor"])
def test_the_help_needs_nothing_heavy(command: str) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('xr2text_core.{command}', run_name='__main__')\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code\n"
        "assert not {'torch', 'transformers', 'timm', 'pandas'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert f"xr2text_core.{command}" in run.stdout


# -- the table

ROWS = [
    Check("GPU", "pass", "NVIDIA GeForce RTX 4060 Laptop GPU, 8.0 GiB, 7.9 GiB of it free"),
    Check("time", "warning", "3 h 20 min for 50 epochs " * 8, "Longer than a night: " * 8),
    Check("other programs", "fail", "none"),
]


@pytest.mark.parametrize("width", [60, 80, 110])
def test_every_line_of_the_table_fits(width: int) -> None:
    lines = table(ROWS, width, in_colour=False).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("GPU             pass     NVIDIA")
    assert sum(line.startswith(" " * 25 + "-> ") for line in lines) == 1
    assert not any(line.rstrip().endswith(" 20") for line in lines), "a number and its unit stay on one line"


def test_colours_change_nothing_but_colour() -> None:
    coloured = table(ROWS, 80, in_colour=True)
    assert "\033[33mwarning\033[0m" in coloured
    for code in ("\033[31m", "\033[32m", "\033[33m", "\033[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == table(ROWS, 80, in_colour=False)


def test_the_last_line_counts() -> None:
    assert conclusion(Findings(ROWS[:1])) == "Ready: all 1 checks passed."
    assert conclusion(Findings(ROWS[:2])) == "Ready, with 1 warning (time)."
    assert conclusion(Findings(ROWS)) == "Not ready: 1 of 3 checks failed (other programs)."


def test_durations_are_as_rough_as_an_estimate() -> None:
    told = [in_words(seconds) for seconds in (0.01, 98.6, 130, 12_000, 200_000)]
    assert told == ["1 s", "99 s", "2 min", "3 h 20 min", "2 days"]


@pytest.mark.parametrize(
    ("system", "environment", "expected"),
    [
        ("linux", {}, True),
        ("linux", {"NO_COLOR": "1"}, False),
        ("linux", {"TERM": "dumb"}, False),
        ("win32", {}, False),  # the old console
        ("win32", {"WT_SESSION": "some id"}, True),
    ],
)
def test_colours_are_only_for_terminals_that_know_them(
    system: str, environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", *preflight.MODERN_WINDOWS):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert preflight._shows_colours() is expected
