"""The kinds of numbers that flags take, as argparse types: what does not fit is refused with the flag's name."""

import math
from argparse import ArgumentTypeError

MOST = 2**63 - 1  # that random number generators and file formats hold


def positive(text: str) -> int:
    """A count of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A count that may be 0."""
    return _whole(text, 0)


def share(text: str) -> float:
    """From 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"{text}: expected a number from 0 to 1")
    return number


def above_zero(text: str) -> float:
    """A finite number above 0: a learning rate, a temperature."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text}: expected a number above 0")
    return number


def at_least_zero(text: str) -> float:
    """A finite number that may be 0: a time."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{text}: expected a number of at least 0")
    return number


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= MOST:
        raise ArgumentTypeError(f"{text}: expected a whole number of at least {least}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
