"""GPUs through the real pynvml and ctypes: a C library, built here, plays the driver from a script.

Each case runs in a process of its own, because a library is found when a process starts and loaded once.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xr2text_monitor.hardware.nvml import GpuReader

LAPTOP = """\
all devices 1
0 name NVIDIA GeForce RTX 4060 Laptop GPU
0 busy 97
0 celsius 71
0 used_mib 6120
0 total_mib 8188
0 reserved_mib 320
0 power_mw 84600
0 limit_mw 115000
0 fan 40
0 mhz 2160
0 memory_mhz 8001
0 slowed_bits 4
0 pid 4242
"""
READ = "import dataclasses, json; from xr2text_monitor.hardware.nvml import GpuReader; reader = GpuReader()\n"
PRINT = "print(json.dumps(dataclasses.asdict(reader.read({now}))))\n"


def build(folder: Path, *flags: str) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux to play the driver")
    source = Path(__file__).with_name("nvml_stub.c")
    subprocess.run([compiler, "-shared", "-fPIC", *flags, "-o", folder / "libnvidia-ml.so.1", source], check=True)
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


def play(driver: Path, script: Path, code: str) -> list[dict[str, Any]]:
    """Run `code` with the stub as its driver; every line it prints is a report."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), "NVML_STUB_SCRIPT": str(script)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_once(driver: Path, folder: Path, text: str) -> dict[str, Any]:
    script = folder / "script"
    script.write_text(text)
    return play(driver, script, READ + PRINT.format(now=0))[0]


def test_all_values_of_a_laptop_gpu_are_read(driver: Path, tmp_path: Path) -> None:
    (gpu,) = read_once(driver, tmp_path, LAPTOP)["gpus"]
    expected = {
        "name": "NVIDIA GeForce RTX 4060 Laptop GPU",
        "utilisation": 97,
        "temperature_c": 71,
        "memory_used_mib": 6120,
        "memory_total_mib": 8188,
        "power_w": 84.6,
        "power_limit_w": 115,
        "fan_percent": 40,
        "clock_mhz": 2160,
        "memory_clock_mhz": 8001,
        "throttling": [],
        "pids": [4242],
        "mig": False,
        "note": "",
    }
    assert {key: gpu[key] for key in expected} == expected


@pytest.mark.parametrize("error", [3, 4, 9, 10, 13, 15, 16, 999])
@pytest.mark.parametrize(
    ("key", "field"),
    [("fan", "fan_percent"), ("power_mw", "power_w"), ("busy", "utilisation"), ("name", "name"), ("pid", "pids")],
)
def test_a_value_that_fails_is_missing_and_the_others_stay(
    driver: Path, tmp_path: Path, error: int, key: str, field: str
) -> None:
    lines = [f"0 {key} !{error}" if f"0 {key} " in line else line for line in LAPTOP.splitlines()]
    (gpu,) = read_once(driver, tmp_path, "\n".join(lines) + "\n")["gpus"]
    assert not gpu[field]
    assert gpu["temperature_c"] == 71 and gpu["memory_used_mib"] == 6120


@pytest.mark.parametrize(
    ("error", "words"), [(9, "not loaded"), (18, "restart the computer"), (4, "permission"), (999, "NVML")]
)
def test_a_driver_that_does_not_start_gives_its_reason(driver: Path, tmp_path: Path, error: int, words: str) -> None:
    report = read_once(driver, tmp_path, f"all init !{error}\n")
    assert report["gpus"] == [] and words in report["note"]


def test_without_a_driver_there_is_a_reason_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")
    report = read_once(tmp_path, tmp_path, "")
    assert report["gpus"] == [] and report["note"]


def test_a_laptop_without_fan_and_power_shows_the_rest(driver: Path, tmp_path: Path) -> None:
    text = "all devices 1\n0 busy 0\n0 celsius 40\n0 used_mib 10\n0 total_mib 4096\n"
    (gpu,) = read_once(driver, tmp_path, text)["gpus"]
    assert (
        gpu["utilisation"] == 0 and gpu["fan_percent"] is None and gpu["power_w"] is None and gpu["throttling"] is None
    )


def test_a_gpu_lost_while_watched_keeps_its_row_and_comes_back(driver: Path, tmp_path: Path) -> None:
    script, lost = tmp_path / "script", tmp_path / "lost"
    script.write_text(LAPTOP)
    answers = "".join(
        f"0 {key} !15\n" for key in ("busy", "celsius", "used_mib", "power_mw", "fan", "mhz", "slowed_bits")
    )
    lost.write_text("all devices 1\n0 name NVIDIA X\n" + answers)
    code = READ + PRINT.format(now=0)
    code += f"import shutil; shutil.copy({str(script)!r}, {str(tmp_path / 'good')!r})\n"
    code += f"shutil.copy({str(lost)!r}, {str(script)!r})\n" + PRINT.format(now=1) + PRINT.format(now=2)
    code += f"shutil.copy({str(tmp_path / 'good')!r}, {str(script)!r})\n" + PRINT.format(now=3) + PRINT.format(now=40)
    good, gone, closed, still_closed, back = play(driver, script, code)
    assert good["gpus"][0]["utilisation"] == 97
    assert gone["gpus"][0]["utilisation"] is None and "lost" in gone["gpus"][0]["note"]
    assert closed["gpus"] == still_closed["gpus"] == [] and closed["note"]
    assert back["gpus"][0]["utilisation"] == 97


def test_one_dead_gpu_does_not_blank_the_others(driver: Path, tmp_path: Path) -> None:
    text = LAPTOP.replace("devices 1", "devices 3") + "1 handle !15\n2 busy 50\n2 celsius 60\n2 mig 1\n"
    first, second, third = read_once(driver, tmp_path, text)["gpus"]
    assert first["utilisation"] == 97 and third["utilisation"] == 50 and third["mig"] is True
    assert second["utilisation"] is None and second["note"]


def test_values_that_cannot_be_are_missing(driver: Path, tmp_path: Path) -> None:
    text = LAPTOP.replace("busy 97", "busy 4294967295").replace("power_mw 84600", "power_mw 4294967295")
    (gpu,) = read_once(driver, tmp_path, text)["gpus"]
    assert gpu["utilisation"] is None and gpu["power_w"] is None


def test_an_old_driver_is_asked_in_the_old_ways(tmp_path: Path) -> None:
    (gpu,) = read_once(build(tmp_path, "-DOLD_DRIVER"), tmp_path, LAPTOP.replace("bits 4", "bits 96"))["gpus"]
    assert gpu["temperature_c"] == 71 and gpu["memory_used_mib"] == 6120 + 320
    assert gpu["throttling"] == ["software thermal limit", "hardware thermal limit"]


def test_a_summary_of_a_hot_gpu_warns_and_exits_with_1(driver: Path, tmp_path: Path) -> None:
    from fake_run import FakeRun

    run = FakeRun(tmp_path)
    run.typical()
    run.status(device="NVIDIA GeForce RTX 4060 Laptop GPU")
    script = tmp_path / "script"
    script.write_text(LAPTOP.replace("celsius 71", "celsius 88"))
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), "NVML_STUB_SCRIPT": str(script)}
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--once", "--out", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "88 °C" in done.stdout and "improve cooling" in done.stdout
    done = subprocess.run([*command, "--max-temp", "90"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0


def monitor(driver: Path, folder: Path, text: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of one look at a run on this GPU."""
    from fake_run import FakeRun

    run = FakeRun(folder)
    run.typical()
    run.status(device="NVIDIA GeForce RTX 4060 Laptop GPU")
    (folder / "script").write_text(text)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), "NVML_STUB_SCRIPT": str(folder / "script")}
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--json", "--out", str(folder), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("line", ["all init @60", "0 celsius @60", "all devices @60"])
def test_a_driver_that_hangs_is_not_waited_for_and_not_healthy(driver: Path, tmp_path: Path, line: str) -> None:
    code, found = monitor(driver, tmp_path, f"{line}\n{LAPTOP}")
    assert code == 3 and found["health"] == "unknown"
    assert [alert["title"] for alert in found["alerts"]] == [
        "cannot read the GPUs: the driver has not answered for 2 s"
    ]


def test_a_lost_gpu_is_critical(driver: Path, tmp_path: Path) -> None:
    lost = "".join(f"1 {key} !15\n" for key in ("busy", "celsius", "used_mib"))
    code, found = monitor(driver, tmp_path, LAPTOP.replace("devices 1", "devices 2") + lost)
    assert code == 1 and [(alert["key"], alert["severity"]) for alert in found["alerts"]] == [("gpu_1", "critical")]


@pytest.mark.parametrize(
    ("lines", "slowdown_c"),
    [
        ("0 slowdown_c 83\n", 83),
        ("0 margin_c 12\n0 slowdown_tlimit_c -2\n", 85),
        ("0 slowdown_c !3\n", None),
        ("0 slowdown_c 0\n", None),
        ("0 margin_c 12\n", None),
    ],
)
def test_the_temperature_where_a_card_slows_down_is_read(
    driver: Path, tmp_path: Path, lines: str, slowdown_c: float | None
) -> None:
    (gpu,) = read_once(driver, tmp_path, LAPTOP + lines)["gpus"]
    assert gpu["slowdown_c"] == slowdown_c


def test_a_card_of_24_gib_in_full_use_is_healthy_until_a_limit_is_given(driver: Path, tmp_path: Path) -> None:
    large = LAPTOP.replace("used_mib 6120", "used_mib 22000").replace("total_mib 8188", "total_mib 24564")
    assert monitor(driver, tmp_path, large)[0] == 0
    assert monitor(driver, tmp_path, large, "--max-memory-gb", "7.5")[0] == 1


def test_reading_here_and_now_never_raises() -> None:
    report = GpuReader().read(0.0)
    assert report.gpus or report.note


def test_process_lists_are_read_every_ten_seconds_only(driver: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(LAPTOP)
    change = f"import pathlib; path = pathlib.Path({str(script)!r})\n"
    change += "path.write_text(path.read_text().replace('4242', '7'))\n"
    code = READ + PRINT.format(now=0) + change + PRINT.format(now=1) + PRINT.format(now=9.9) + PRINT.format(now=10)
    assert [report["gpus"][0]["pids"] for report in play(driver, script, code)] == [[4242], [4242], [4242], [7]]
