"""Each case runs in a process of its own, because a library is found when a process starts and loaded once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xr2text_core.machine.nvml import GpuReader, driver_versions, read_gpus

UUID = "GPU-0a1b2c3d-1111-2222-3333-444455556666"
START = (
    "import dataclasses, json; from xr2text_core.machine.nvml import GpuReader, driver_versions, read_gpus\n"
    "def show(found): print(json.dumps(found and dataclasses.asdict(found)))\n"
)
Play = Callable[[Path, str, str], str]


def answers(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_values_of_a_laptop_gpu_are_read(play: Play, driver: Path, laptop: str) -> None:
    (gpu,) = answers(play(driver, laptop, START + "show(GpuReader(0).read())"))
    assert gpu == {
        "index": 0,
        "name": "NVIDIA GeForce RTX 4060 Laptop GPU",
        "uuid": UUID,
        "temperature_c": 71,
        "slowdown_c": 87,
        "memory_used_mib": 6120,
        "memory_total_mib": 8188,
        "utilization_percent": 97,
        "processes": [
            {"pid": 77, "name": "browser.exe", "memory_mib": None},
            {"pid": 4242, "name": "python", "memory_mib": 5800},
        ],
    }


def test_the_uuid_decides_with_and_without_its_prefix(play: Play, driver: Path, laptop: str) -> None:
    script = laptop.replace("devices 1", "devices 2") + "1 uuid GPU-second\n1 celsius 50\n"
    code = START + "show(GpuReader('second').read()); show(GpuReader('GPU-second').read())"
    with_it, without = answers(play(driver, script, code))
    assert with_it == without
    assert with_it["index"] == 1 and with_it["temperature_c"] == 50


def test_another_gpu_is_never_read_instead(play: Play, driver: Path, laptop: str) -> None:
    code = START + "show(GpuReader('GPU-unknown').read()); print(json.dumps(GpuReader('GPU-unknown').temperature_c()))"
    assert answers(play(driver, laptop, code)) == [None, None]


def test_versions_of_the_driver_are_read(play: Play, driver: Path, laptop: str) -> None:
    (versions,) = answers(play(driver, laptop, START + "show(driver_versions())"))
    assert versions == {"driver": "570.86.15", "cuda": "12.8"}


def test_versions_the_driver_does_not_tell_are_missing(play: Play, driver: Path) -> None:
    (versions,) = answers(play(driver, "all driver !999\nall cuda !999\n", START + "show(driver_versions())"))
    assert versions == {"driver": None, "cuda": None}


NOTHING = START + "show(driver_versions()); print(json.dumps(read_gpus())); show(GpuReader(0).read())\n"
NOTHING += "show(GpuReader('GPU-x').read()); print(json.dumps(GpuReader(0).temperature_c()))"


@pytest.mark.parametrize("error", [4, 9, 12, 18, 999])
def test_a_driver_that_does_not_start_gives_nothing(play: Play, driver: Path, laptop: str, error: int) -> None:
    assert answers(play(driver, laptop + f"all init !{error}\n", NOTHING)) == [None, [], None, None, None]


def test_without_a_driver_there_is_nothing(play: Play, tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library", encoding="utf-8")
    assert answers(play(tmp_path, "", NOTHING)) == [None, [], None, None, None]


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        (("celsius",), "temperature_c"),
        (("slowdown_c",), "slowdown_c"),
        (("used_mib",), "memory_total_mib"),
        (("busy",), "utilization_percent"),
        (("uuid",), "uuid"),
        (("pid", "drawing"), "processes"),
    ],
)
def test_a_value_that_fails_is_missing_and_the_others_stay(
    play: Play, driver: Path, laptop: str, tmp_path: Path, keys: tuple[str, ...], field: str
) -> None:
    code = START + "import pathlib\n"
    for error in (3, 4, 13, 15, 999):
        script = "".join(f"0 {key} !{error}\n" for key in keys) + laptop
        code += f"pathlib.Path({str(tmp_path / 'script')!r}).write_text({script!r}); show(GpuReader(0).read())\n"
    gpus = answers(play(driver, laptop, code))
    assert [gpu[field] for gpu in gpus] == [None] * 5
    assert all(gpu["name"] and gpu["index"] == 0 for gpu in gpus)


def test_a_lost_gpu_has_no_values_and_comes_back(play: Play, driver: Path, laptop: str, tmp_path: Path) -> None:
    keys = ("name", "uuid", "celsius", "slowdown_c", "used_mib", "busy", "pid", "drawing")
    lost = "".join(f"0 {key} !15\n" for key in keys) + laptop
    code = START + "import pathlib; reader = GpuReader(0); show(reader.read())\n"
    code += f"pathlib.Path({str(tmp_path / 'script')!r}).write_text({lost!r}); show(reader.read())\n"
    code += f"pathlib.Path({str(tmp_path / 'script')!r}).write_text({laptop!r}); show(reader.read())\n"
    before, gone, back = answers(play(driver, laptop, code))
    assert before == back and before["temperature_c"] == 71
    assert [value for key, value in gone.items() if key != "index"] == [None] * 8


def test_a_gpu_that_cannot_be_opened_leaves_the_others(play: Play, driver: Path, laptop: str) -> None:
    script = laptop.replace("devices 1", "devices 3") + "1 handle !15\n2 celsius 50\n"
    code = START + "[show(gpu) for gpu in read_gpus()]"
    assert [gpu["temperature_c"] for gpu in answers(play(driver, script, code))] == [71, 50]


def test_values_that_cannot_be_are_missing(play: Play, driver: Path, laptop: str) -> None:
    script = laptop.replace("busy 97", "busy 4294967295").replace("celsius 71", "celsius 4294967295")
    (gpu,) = answers(play(driver, script, START + "show(GpuReader(0).read())"))
    assert gpu["utilization_percent"] is None and gpu["temperature_c"] is None


def test_the_margin_of_newer_cards_gives_their_slowdown(play: Play, driver: Path, laptop: str) -> None:
    script = laptop.replace("0 slowdown_c 87\n", "0 margin_c 14\n0 slowdown_tlimit_c -2\n")
    (gpu,) = answers(play(driver, script, START + "show(GpuReader(0).read())"))
    assert gpu["slowdown_c"] == 71 + 14 + 2


def test_an_old_driver_is_asked_in_the_old_ways(play: Play, old_driver: Path, laptop: str) -> None:
    script = laptop.replace("0 slowdown_c 87\n", "")
    (gpu,) = answers(play(old_driver, script, START + "show(GpuReader(0).read())"))
    assert gpu["temperature_c"] == 71 and gpu["memory_used_mib"] == 6120 + 320 and gpu["slowdown_c"] is None


def test_reading_here_and_now_never_raises() -> None:
    driver_versions()
    read_gpus()
    GpuReader("GPU-unknown").read()
