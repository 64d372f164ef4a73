"""Runs a case of child.py in a process of its own, on a GPU that computes nothing; skipped where it cannot be built."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

HERE = Path(__file__).parent
TORCH, CUDA = "2.14.", "13."  # whose symbols null_gpu.c has


def reason_to_skip() -> str:
    if sys.platform != "linux":
        return "the null GPU is loaded by LD_PRELOAD, which is Linux's"
    if not (torch.version.cuda or "").startswith(CUDA) or not torch.__version__.startswith(TORCH):
        return f"the null GPU is written for PyTorch {TORCH}x with CUDA {CUDA}x, and this is {torch.__version__}"
    if not headers().is_dir():
        return "triton, which brings CUDA's headers, is not installed"
    return "" if shutil.which("cc") else "no C compiler (cc) to build the null GPU"


def headers() -> Path:
    found = importlib.util.find_spec("triton")
    return Path(found.origin if found and found.origin else "nowhere").parent / "backends/nvidia/include"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """null_gpu.c, built; a link beside it has the name under which PyTorch looks for the driver."""
    if reason := reason_to_skip():
        pytest.skip(reason)
    library = tmp_path_factory.mktemp("null_gpu") / "libnull_gpu.so"
    flags = ["-O1", "-w", "-shared", "-fPIC", "-I", str(headers()), "-o", str(library)]
    subprocess.run(["cc", *flags, str(HERE / "null_gpu.c")], check=True)
    (library.parent / "libcuda.so.1").hardlink_to(library)
    return library


@pytest.fixture
def start(library: Path, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start a case: its name and the flags of train, and environment variables by keyword."""

    def start(case: str, *flags: str, **environment: str) -> "subprocess.Popen[str]":
        loaded = {"LD_PRELOAD": str(library), "LD_LIBRARY_PATH": str(library.parent), "PYTHONPATH": str(HERE)}
        visible = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        command = [sys.executable, str(HERE / "child.py"), case, *flags, "--out", str(tmp_path)]
        return subprocess.Popen(
            command, env={**visible, **loaded, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


@pytest.fixture
def run(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., dict[str, Any]]:
    """Run a case to its end: what it found, and under "log" what it wrote to stderr."""

    def run(case: str, *flags: str, **environment: str) -> dict[str, Any]:
        with start(case, *flags, **environment) as child:
            out, log = child.communicate(timeout=280)
        assert child.returncode == 0, out + log
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return {**found, "log": log}

    return run
