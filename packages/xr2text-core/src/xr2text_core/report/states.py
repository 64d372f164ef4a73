"""What a report says of each finding, as one number each: how a model is told what the last report says."""

from xr2text_core.report.labeler import ReportLabels, label_report
from xr2text_core.report.vocabulary import FINDINGS, SEVERITIES

STATES = ("unknown", "not mentioned", "absent", "uncertain", "present", *SEVERITIES)  # the last three: present, and so
UNKNOWN = STATES.index("unknown")


def finding_states(report: str) -> list[int]:
    """For each of FINDINGS its place in STATES; all are unknown where there is no report."""
    labels = label_report(report)
    return [STATES.index(_state(labels, finding)) if report.strip() else UNKNOWN for finding in FINDINGS]


def _state(labels: ReportLabels, finding: str) -> str:
    """With the worst severity that is stated of a finding that is present."""
    if finding not in labels.present:
        is_absent, is_uncertain = finding in labels.absent, finding in labels.uncertain
        return "absent" if is_absent else "uncertain" if is_uncertain else "not mentioned"
    said = [each for each in labels.mentions if each.finding == finding and each.status == "present"]
    return max((each.severity or "present" for each in said), key=STATES.index)
