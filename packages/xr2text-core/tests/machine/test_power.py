"""Batteries of laptops, of desktops and of mice."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from xr2text_core.machine import power
from xr2text_core.machine.power import Power, read_power


@pytest.fixture
def supply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds a power supply as Linux shows it."""
    monkeypatch.setattr(power, "SUPPLIES", tmp_path)

    def add(name: str, **files: str) -> None:
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text + "\n", encoding="utf-8")

    return add


def battery(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], object]) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", answer, raising=False)


def test_the_battery_of_a_laptop_is_read(supply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    supply("AC", type="Mains", online="0")
    supply("BAT0", type="Battery")
    supply("hidpp_battery_0", type="Battery", scope="Device")
    battery(monkeypatch, lambda: SimpleNamespace(percent=63, power_plugged=False))
    assert read_power() == Power(63.0, False)


def test_a_wireless_mouse_is_not_the_battery_of_a_desktop(
    supply: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    supply("hidpp_battery_0", type="Battery", scope="Device")
    battery(monkeypatch, lambda: SimpleNamespace(percent=55, power_plugged=False))
    assert read_power() is None


def test_unknown_power_stays_unknown(supply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    battery(monkeypatch, lambda: SimpleNamespace(percent=80, power_plugged=None))
    assert read_power() == Power(80.0, None)


def test_no_battery_is_none(supply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    battery(monkeypatch, lambda: None)
    assert read_power() is None


@pytest.mark.parametrize("error", [FileNotFoundError, NotImplementedError, ValueError, TypeError])
def test_a_system_that_cannot_say_is_none(
    supply: Callable[..., None], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail() -> None:
        raise error

    battery(monkeypatch, fail)
    assert read_power() is None


def test_a_system_without_the_question_is_none(supply: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert read_power() is None


def test_reading_here_and_now_never_raises() -> None:
    read_power()
