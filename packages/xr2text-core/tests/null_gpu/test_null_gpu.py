"""What only a card would show, without one: memory, out of memory, waiting, determinism, pinned copies, a whole run."""

import csv
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from xr2text_core.run.folder import RunFolder

pytestmark = pytest.mark.slow
Run = Callable[..., dict[str, Any]]
CARDS = {"laptop": ("8188", 6.4), "workstation": ("24576", 20.6)}  # MiB, and the GiB that the preset may reserve
TINY = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--batch", "4", "--accumulation", "2"]


@pytest.mark.parametrize("preset", CARDS)
def test_a_step_fits_is_deterministic_and_waits_for_the_card_once(run: Run, preset: str) -> None:
    card_mib, most_gib = CARDS[preset]
    found = run("full_step", "--preset", preset, NULL_GPU_MIB=card_mib)
    assert found["oom_retries"] == 0 and found["reserved"] <= most_gib
    assert found["allocated"] == pytest.approx(found["estimate"] - found["allowance"], rel=0.01)
    assert found["reserved"] < found["estimate"]
    assert found["synchronisations"] <= 2
    assert found["is_strict"]  # still: nothing of a step has no deterministic implementation


def test_all_that_lies_on_the_desk_makes_no_micro_batch_wait_for_the_card(run: Run) -> None:
    desk = ["--views", "all", "--prior", "--indication", "--batch", "2", "--accumulation", "4"]
    found = run("full_step", "--preset", "laptop", *desk)
    assert found["synchronisations"] <= 2 and found["is_strict"] and found["oom_retries"] == 0


@pytest.mark.parametrize(
    ("flags", "most_gib"),
    [
        (["--freeze-stages", "0"], 7.0),
        (["--views", "frontal", "--freeze-stages", "3"], 5.2),
        (["--freeze-encoder", "--cache-tokens"], 3.2),
    ],
    ids=str,
)
def test_the_estimate_is_what_is_taken(run: Run, flags: list[str], most_gib: float) -> None:
    found = run("full_step", "--preset", "laptop", *flags, NULL_GPU_MIB="8188")
    assert found["allocated"] == pytest.approx(found["estimate"] - found["allowance"], abs=0.1)
    assert found["reserved"] <= most_gib and found["oom_retries"] == 0


def test_all_that_lies_on_a_desk_fits_into_eight_gigabytes_two_studies_at_a_time(run: Run) -> None:
    read = ["--views", "all", "--indication", "--prior", "--batch", "2", "--accumulation", "16"]
    found = run("full_step", "--preset", "laptop", *read, NULL_GPU_MIB="8188")
    assert found["oom_retries"] == 0 and found["reserved"] <= 6.4
    assert found["allocated"] == pytest.approx(found["estimate"] - found["allowance"], rel=0.01)
    assert found["synchronisations"] <= 2
    assert "last bits" not in found["log"]


@pytest.mark.parametrize("preset", CARDS)
def test_validation_reserves_no_more_than_training(run: Run, preset: str) -> None:
    card_mib, most_gib = CARDS[preset]
    found = run("epochs", "--preset", preset, NULL_GPU_MIB=card_mib)
    assert max(found["training"] + found["validation"]) <= most_gib
    assert max(found["validation"]) <= max(found["training"]) and found["alloc_retries"] == 0


def test_a_micro_batch_of_one_study_needs_no_compiler(run: Run, tmp_path: Path) -> None:
    found = run("short_step", "--preset", "laptop", PATH=str(tmp_path), CC=str(tmp_path / "cc"))
    assert (found["micro_batch"], found["reports"]) == (4, 1) and found["launches"] > 0


def test_a_card_that_is_too_small_halves_the_micro_batch(run: Run) -> None:
    found = run("full_step", "--preset", "laptop", NULL_GPU_MIB="5600")
    assert (found["micro_batch"], found["oom_retries"]) == (2, 1)


def test_the_copy_of_a_checkpoint_is_pinned_with_little_waste(run: Run) -> None:
    found = run("checkpoint", "--preset", "laptop")
    assert found["contents"] < found["pinned"] < 1.1 * found["contents"]
    assert found["unpinned_copies"] == 0 and "pins no more memory" not in found["log"]


def test_a_system_that_refuses_to_pin_gives_ordinary_memory(run: Run) -> None:
    found = run("checkpoint", "--preset", "laptop", NULL_GPU_PINNED_MIB="700")
    assert found["pinned"] == 0.5 and found["unpinned_copies"] > 0
    assert found["log"].count("pins no more memory") == 1


def test_a_run_on_a_card_that_is_killed_resumes_and_finishes(
    run: Run, start: Callable[..., "Popen[str]"], tmp_path: Path
) -> None:
    folder = RunFolder.under(tmp_path, "")
    with start("train", *TINY, "--precision", "fp16", "--epochs", "400") as child:
        deadline = time.monotonic() + 200
        while not (folder.history.exists() and folder.history.read_text().count("\n") >= 3):
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    with folder.history.open() as file:
        last = len(list(csv.DictReader(file)))
    found = run("train", *TINY, "--precision", "fp16", "--epochs", str(last + 2))
    assert (found["code"], found["resumed"], found["epoch"]) == (0, True, last + 3)
    with folder.history.open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, last + 3))
    assert folder.final.is_file()
    assert found["dtypes"] == ["torch.float16"]  # as a notebook asks for scores, so validation computed them
