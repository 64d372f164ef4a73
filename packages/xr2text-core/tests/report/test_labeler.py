"""The labeler reads the sentences that the golden file lists."""

from xr2text_core.report.labeler import label_report


def test_list_after_no_is_denied_as_a_whole() -> None:
    assert label_report("No effusion, pneumothorax or focal consolidation.").present == frozenset()
