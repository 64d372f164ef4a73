"""An NVIDIA driver played by a C library, so that tests pass through the real pynvml and ctypes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "xr2text-monitor" / "tests" / "nvml_stub.c"
LAPTOP = """\
all devices 1
all driver 570.86.15
all name_4242 /home/someone/.venv/bin/python -m xr2text_core.train --root /home/someone/films
all name_77 C:\\Program Files\\A Browser\\browser.exe
0 name NVIDIA GeForce RTX 4060 Laptop GPU
0 uuid GPU-0a1b2c3d-1111-2222-3333-444455556666
0 busy 97
0 celsius 71
0 slowdown_c 87
0 used_mib 6120
0 total_mib 8188
0 reserved_mib 320
0 pid 4242 5800
0 drawing 77
"""


def build(folder: Path, *flags: str) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux") or not SOURCE.exists():
        pytest.skip("needs Linux, a C compiler and the monitor's stub to play the driver")
    subprocess.run([compiler, "-shared", "-fPIC", *flags, "-o", folder / "libnvidia-ml.so.1", SOURCE], check=True)
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def old_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("old_driver"), "-DOLD_DRIVER")


@pytest.fixture
def laptop() -> str:
    """The script of a whole laptop, to be changed by a test."""
    return LAPTOP


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Path, str, str], str]:
    """Run `code` in a process of its own, in which the driver follows the script at `tmp_path / "script"`."""

    def run(driver: Path, script: str, code: str) -> str:
        (tmp_path / "script").write_text(script, encoding="utf-8")
        environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), "NVML_STUB_SCRIPT": str(tmp_path / "script")}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
