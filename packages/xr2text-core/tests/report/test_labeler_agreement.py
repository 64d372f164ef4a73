"""The labeler against the annotators of the Indiana University collection, on the half that no rule was written on."""

import agreement
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not agreement.REPORTS.is_file(), reason="no ../shared/data/iu-reports/reports.csv"),
]


def test_labeler_agrees_with_annotators_on_reports_not_looked_at() -> None:
    result = agreement.measure(agreement.read_half(is_held_out=True))
    assert result.normal_accuracy >= 0.978
    assert result.macro_f1 >= 0.926
    assert result.region_f1 >= 0.958


def test_halves_share_no_report() -> None:
    even, odd = (agreement.read_half(is_held_out) for is_held_out in (False, True))
    assert not {row.uid for row in even} & {row.uid for row in odd}
    assert len(even) > 1000
    assert len(odd) > 1000
