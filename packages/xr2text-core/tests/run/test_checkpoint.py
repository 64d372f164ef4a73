"""A checkpoint is whole or it is refused; it never runs code; the old one stays until the new one is complete."""

import os
import pickle
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from xr2text_core.run.checkpoint import (
    KINDS,
    TAIL,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    newest_good,
    save_checkpoint,
    write_contents,
)

EMPTY = Checkpoint(settings={}, fingerprint="", config="", tokenizer="", progress={}, model={}, optimizer={})


def at(epoch: int, step_in_epoch: int = 0, numbers: int = 16) -> Checkpoint:
    """A small checkpoint."""
    progress = {"epoch": epoch, "step_in_epoch": step_in_epoch, "best_score": 0.5, "rates": [1e-4, 2e-4]}
    return replace(EMPTY, progress=progress, model={"weight": torch.arange(numbers)}, config="{}")


def save(folder: Path, name: str, epoch: int, step_in_epoch: int = 0) -> Path:
    save_checkpoint(folder / name, at(epoch, step_in_epoch))
    return folder / name


def damage(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    found, expected = load_checkpoint(save(tmp_path, "latest.pt", 3, 7)), at(3, 7)
    assert torch.equal(found.model["weight"], expected.model["weight"])
    assert replace(found, model={}) == replace(expected, model={})


def test_an_optimizer_and_a_gradient_scaler_survive(tmp_path: Path, tiny_model: torch.nn.Module) -> None:
    optimizer = torch.optim.AdamW(tiny_model.parameters())
    sum(parameter.sum() for parameter in tiny_model.parameters()).backward()
    optimizer.step()
    save_checkpoint(tmp_path / "latest.pt", replace(EMPTY, optimizer=optimizer.state_dict(), scaler={"scale": 65536.0}))
    found = load_checkpoint(tmp_path / "latest.pt")
    assert found.scaler == {"scale": 65536.0}
    for index, state in optimizer.state_dict()["state"].items():
        assert torch.equal(found.optimizer["state"][index]["exp_avg"], state["exp_avg"])


def test_plain_torch_reads_it_too(tmp_path: Path) -> None:
    contents = torch.load(save(tmp_path, "latest.pt", 3), weights_only=True)
    assert contents["progress"]["epoch"] == 3


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, "latest.pt", 3)
    whole = path.read_bytes()
    chance = random.Random(0)
    middle = chance.sample(range(200, len(whole) - TAIL - 200), 200)
    for position in [*range(200), *middle, *range(len(whole) - TAIL - 200, len(whole))]:
        data = bytearray(whole)
        data[position] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"damaged|cut short"):
            load_checkpoint(path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, "latest.pt", 3)
    whole = path.read_bytes()
    for length in [*range(64), *range(64, len(whole), 97), *range(len(whole) - 64, len(whole))]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="cut short"):
            load_checkpoint(path)


def test_bytes_added_at_the_end_are_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, "latest.pt", 3)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"latest\.pt: no such checkpoint"):
        load_checkpoint(tmp_path / "latest.pt")


class Dangerous:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    write_contents(tmp_path / "latest.pt", {"format": 1, **vars(EMPTY), "model": Dangerous(harm)})
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "latest.pt")
    assert not harm.exists()
    pickle.loads(pickle.dumps(Dangerous(harm)))
    assert harm.exists()  # it would have


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_contents(tmp_path / "latest.pt", {"format": 2})
    with pytest.raises(CheckpointError, match="format 2, but this version reads format 1"):
        load_checkpoint(tmp_path / "latest.pt")


def test_the_latest_is_taken_when_it_is_good(tmp_path: Path) -> None:
    latest, later = save(tmp_path, "latest.pt", 3), save(tmp_path, "checkpoint_epoch_9.pt", 10)
    found = newest_good(latest, [later])
    assert found is not None
    assert (found[0], found[2]) == (latest, [])


def test_of_the_others_the_furthest_by_its_contents_is_taken_and_the_damaged_is_named(tmp_path: Path) -> None:
    latest = damage(save(tmp_path, "latest.pt", 9))
    far = save(tmp_path, "checkpoint_epoch_1.pt", 6, 2)  # the name says less than the contents
    others = [save(tmp_path, "best_model.pt", 6, 1), far, save(tmp_path, "checkpoint_epoch_50.pt", 2)]
    os.utime(far, (0, 0))
    found = newest_good(latest, others)
    assert found is not None
    path, furthest, damaged = found
    assert (path, furthest.progress["epoch"]) == (far, 6)
    assert len(damaged) == 1
    assert "latest.pt" in damaged[0]


def test_all_damaged_is_an_error_that_names_each(tmp_path: Path) -> None:
    latest, best = damage(save(tmp_path, "latest.pt", 2)), damage(save(tmp_path, "best_model.pt", 1))
    with pytest.raises(CheckpointError, match=r"(?s)latest\.pt.*best_model\.pt"):
        newest_good(latest, [best])


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert newest_good(tmp_path / "latest.pt", [tmp_path / "best_model.pt"]) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("a small file system can only be mounted by root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)])


def test_a_full_disk_leaves_the_old_checkpoint_and_no_temporary_file(small_disk: Path) -> None:
    path = save(small_disk, "latest.pt", 3)
    with pytest.raises(OSError, match=r"No space left on device.*latest\.pt"):
        save_checkpoint(path, at(4, numbers=100_000))
    assert load_checkpoint(path).progress["epoch"] == 3
    assert list(small_disk.iterdir()) == [path]


@pytest.mark.parametrize("part", KINDS)
def test_a_file_with_a_right_checksum_and_wrong_contents_is_refused(tmp_path: Path, part: str) -> None:
    whole = {"format": 1, **vars(at(1))}
    for wrong in ({key: value for key, value in whole.items() if key != part}, whole | {part: 7}):
        write_contents(tmp_path / "latest.pt", wrong)
        with pytest.raises(CheckpointError, match=rf"latest.pt: is not a training checkpoint \({part} "):
            load_checkpoint(tmp_path / "latest.pt")
