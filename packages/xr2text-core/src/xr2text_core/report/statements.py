"""What a report states of each finding, as one number each: how a model is told what the last report says."""

from xr2text_core.report.labeler import ReportLabels, label_report
from xr2text_core.report.vocabulary import FINDINGS, SEVERITIES

STATEMENTS = ("unknown", "not mentioned", "absent", "uncertain", "present", *SEVERITIES)  # the last three: present too
UNKNOWN = STATEMENTS.index("unknown")


def finding_statements(report: str) -> list[int]:
    """For each of FINDINGS its place in STATEMENTS; all are unknown where there is no report."""
    labels = label_report(report)
    return [STATEMENTS.index(_statement(labels, finding)) if report.strip() else UNKNOWN for finding in FINDINGS]


def _statement(labels: ReportLabels, finding: str) -> str:
    """With the worst severity that is stated of a finding that is present."""
    if finding not in labels.present:
        is_absent, is_uncertain = finding in labels.absent, finding in labels.uncertain
        return "absent" if is_absent else "uncertain" if is_uncertain else "not mentioned"
    said = [each for each in labels.mentions if each.finding == finding and each.status == "present"]
    return max((each.severity or "present" for each in said), key=STATEMENTS.index)
