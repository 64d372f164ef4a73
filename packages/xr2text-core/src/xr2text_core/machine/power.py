"""Whether the computer runs on its battery, and how full that is."""

from dataclasses import dataclass
from pathlib import Path

import psutil

SUPPLIES = Path("/sys/class/power_supply")  # Linux

# What psutil raises: it lacks the function on some systems (AttributeError) or raises NotImplementedError; elsewhere
# it raises what it meets in odd firmware, or for a missing /sys/class/power_supply (giampaolo/psutil#2067).
FAILURES = (OSError, ValueError, TypeError, AttributeError, NotImplementedError)


@dataclass(frozen=True)
class Power:
    battery_percent: float
    is_plugged: bool | None  # None: unknown


def read_power() -> Power | None:
    """None: no battery, or unknown."""
    try:
        battery = None if _has_only_peripherals() else psutil.sensors_battery()
    except FAILURES:
        return None
    return None if battery is None else Power(float(battery.percent), battery.power_plugged)


def _has_only_peripherals() -> bool:
    """psutil takes the battery of a wireless mouse for the computer's, and every desktop with one for unplugged."""
    supplies = [supply for supply in SUPPLIES.glob("*") if _line(supply / "type") == "Battery"]
    return bool(supplies) and all(_line(supply / "scope") == "Device" for supply in supplies)


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
