"""scripts/start_training_robust: preflight, then supervised training, with the flags as they were given."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[4] / "scripts"
PREFLIGHT, TRAIN = ["-m", "xr2text_core.preflight"], ["-m", "xr2text_core.train", "--supervise"]
needs_sh = pytest.mark.skipif(os.name == "nt", reason="the script for Windows is the other one")

# A python that notes its name and arguments, one a line, and ends with the codes that the test chose.
STUB = """#!/bin/sh
printf '%s\\n' "${0##*/bin/}" "$@" end >> "$CALLS"
case "$2" in *preflight) exit "$PREFLIGHT_CODE";; *) exit "$TRAIN_CODE";; esac
"""


class Repository:
    """A copy of the script, a stub python3 on the PATH, and a folder somewhere else to start from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.script = root / "a repository" / "scripts" / "start_training_robust.sh"
        self.script.parent.mkdir(parents=True)
        shutil.copy(SCRIPTS / self.script.name, self.script)
        (root / "elsewhere").mkdir()
        self.add_python(root / "bin" / "python3")

    def add_python(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_text(STUB)
        path.chmod(0o755)

    def start(self, *flags: str, preflight: int = 0, train: int = 0) -> int:
        calls = {"CALLS": str(self.root / "calls"), "PREFLIGHT_CODE": str(preflight), "TRAIN_CODE": str(train)}
        environment = {**os.environ, **calls, "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        command = ["sh", str(self.script), *flags]
        return subprocess.run(command, cwd=self.root / "elsewhere", env=environment, timeout=120).returncode

    def calls(self) -> list[list[str]]:
        """Name and arguments of each python that was started."""
        calls = (self.root / "calls").read_text().removesuffix("\nend\n").split("\nend\n")
        return [call.split("\n") for call in calls]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@needs_sh
def test_preflight_and_training_get_the_same_flags(repository: Repository) -> None:
    flags = ["--root", "a folder with blanks", "--run", "$HOME", ""]
    assert repository.start(*flags) == 0
    assert repository.calls() == [["python3", *PREFLIGHT, *flags], ["python3", *TRAIN, *flags]]


@needs_sh
@pytest.mark.parametrize("code", [1, 2])
def test_nothing_is_trained_after_a_preflight_that_failed(repository: Repository, code: int) -> None:
    assert repository.start(preflight=code) == code
    assert repository.calls() == [["python3", *PREFLIGHT]]


@needs_sh
def test_preflight_can_be_skipped(repository: Repository) -> None:
    assert repository.start("--skip-preflight", "--epochs", "3", preflight=1) == 0
    assert repository.calls() == [["python3", *TRAIN, "--epochs", "3"]]


@needs_sh
def test_the_exit_code_is_that_of_the_training(repository: Repository) -> None:
    assert repository.start(train=130) == 130


@needs_sh
def test_the_environment_of_the_repository_comes_first(repository: Repository) -> None:
    repository.add_python(repository.script.parents[1] / ".venv" / "bin" / "python")
    assert repository.start() == 0
    assert [call[0] for call in repository.calls()] == ["python", "python"]


def test_the_script_for_windows_has_the_line_ends_that_windows_needs() -> None:
    lines = (SCRIPTS / "start_training_robust.bat").read_bytes().split(b"\n")
    assert lines[-1] == b"" and all(line.endswith(b"\r") for line in lines[:-1])
    assert b"\r" not in (SCRIPTS / "start_training_robust.sh").read_bytes()
