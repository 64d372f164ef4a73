"""A fingerprint tells a data set that lost a few studies from another data set."""

import pytest

from xr2text_core.settings.fingerprint import SAME_RUN, fingerprint, share_in_common

SMALL = [f"study-{number}" for number in range(40)]
LARGE = [f"study-{number}" for number in range(20_000)]


def test_the_order_of_studies_does_not_matter_and_doubles_do_not_count() -> None:
    assert fingerprint(SMALL) == fingerprint([*reversed(SMALL), SMALL[0]])
    assert share_in_common(fingerprint(SMALL), fingerprint(SMALL)) == 1


@pytest.mark.parametrize(("lost", "share"), [(1, 39 / 40), (3, 37 / 40), (20, 0.5), (40, 0.0)])
def test_the_share_of_a_small_data_set_is_exact_both_ways(lost: int, share: float) -> None:
    whole, rest = fingerprint(SMALL), fingerprint(SMALL[lost:])
    assert share_in_common(whole, rest) == share_in_common(rest, whole) == share


@pytest.mark.parametrize("lost", [1, 100, 5_000, 10_000, 19_000])
def test_the_share_of_a_large_one_is_estimated(lost: int) -> None:
    share = share_in_common(fingerprint(LARGE), fingerprint(LARGE[lost:]))
    assert share == pytest.approx(1 - lost / 20_000, abs=0.05)
    assert len(fingerprint(LARGE)) < 10_000


def test_another_data_set_is_another_run() -> None:
    assert share_in_common(fingerprint(LARGE), fingerprint(f"other-{each}" for each in LARGE)) < SAME_RUN
    assert share_in_common(fingerprint([]), fingerprint(SMALL)) == 0
    assert share_in_common("64 hexadecimal digits of an older version", fingerprint(SMALL)) == 0
