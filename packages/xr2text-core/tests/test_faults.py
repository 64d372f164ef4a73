"""A small part of the fault suite with fixed dice; packages/xr2text-core/faults/run.py runs hundreds of trials."""

import importlib
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.trainer import Trainer

FAULTS = Path(__file__).parents[1] / "faults"
SMALL = ("--num-studies", "8", "--val-studies", "2", "--image-size", "32", "--max-tokens", "24", "--batch", "8")
KILLS, DAMAGES, HOSTILE_FILES = 4, 60, 8


@pytest.fixture
def damage(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FAULTS)
    return importlib.import_module("damage")


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FAULTS)
    return importlib.import_module("hostile")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the trainer wrote."""
    folder = tmp_path_factory.mktemp("run")
    flags = [*SMALL, "--epochs", "1", "--device", "cpu", "--out", str(folder)]
    assert Trainer(settings_of(parse_arguments(flags))).fit() == 0
    return folder / "checkpoints" / "latest.pt"


def test_every_damaged_checkpoint_is_noticed_by_name(checkpoint: Path, tmp_path: Path, damage: ModuleType) -> None:
    data, victim, dice = checkpoint.read_bytes(), tmp_path / "latest.pt", random.Random(0)
    for number in range(DAMAGES):
        changed, kind = damage.damaged(data, dice)
        victim.write_bytes(changed)
        beside = checkpoint if number % 10 == 0 else None  # then it must also be left aside for the good one
        assert damage.goes_unnoticed(victim, beside) is None, f"{number}: {kind}"


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns of the strangest ones before it refuses them
def test_a_hostile_checkpoint_runs_nothing(tmp_path: Path, hostile: ModuleType) -> None:
    path, mark = tmp_path / "latest.pt", tmp_path / "mark"
    for name, data in random.Random(0).sample(list(hostile.hostile_files(mark)), HOSTILE_FILES):
        path.write_bytes(data)
        assert hostile.harm(path, mark) is None, name


@pytest.mark.slow
@pytest.mark.timeout(1200)  # some ten trainings, one after the other
@pytest.mark.skipif(sys.platform != "linux", reason="the suite forks the trainer, which only Linux does safely")
def test_killed_runs_end_as_an_unbroken_one_to_the_bit(tmp_path: Path) -> None:
    command = [sys.executable, FAULTS / "run.py", "--only", "kills", "--kills", str(KILLS), "--real-kills", "0"]
    suite = subprocess.run([*command, "--folder", tmp_path], capture_output=True, text=True, timeout=1100)
    assert suite.returncode == 0, suite.stdout + suite.stderr
    assert f"{KILLS} runs, {KILLS} exact ends" in suite.stdout
