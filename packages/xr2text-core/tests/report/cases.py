"""Sentences and layouts from elsewhere with their right values, and how many of them are read right.

    python tests/report/cases.py           counts by source
    python tests/report/cases.py --wrong   and every case that is read wrong, with the reason

A case of golden_cases.jsonl says which status each finding may have ("a/b": of either finding), which others may be
read besides (`may_also`), and whether the report is normal (null: either). golden_sections.jsonl has full reports.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xr2text_core.report.labeler import ReportLabels, label_report
from xr2text_core.report.sections import read_sections

Case = dict[str, Any]
LABELS = Path(__file__).with_name("golden_cases.jsonl")
SECTIONS = Path(__file__).with_name("golden_sections.jsonl")


def read_cases(path: Path) -> list[Case]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def label_mistakes(case: Case) -> list[str]:
    """What the labeler reads wrong in a case of golden_cases.jsonl."""
    labels = label_report(case["text"])
    mistakes = [
        f"{finding}: {statuses}, may be {allowed}"
        for finding, allowed in case["findings"].items()
        if not set(statuses := [_status(labels, name) for name in finding.split("/")]) & set(allowed)
    ]
    named = {name for finding in case["findings"] for name in finding.split("/")} | set(case["may_also"])
    mistakes += [f"{finding} is read besides" for finding in (labels.present | labels.uncertain) - named]
    if case["normal"] not in (None, labels.is_normal):
        mistakes.append(f"normal: {labels.is_normal}")
    return mistakes


def section_mistakes(case: Case) -> list[str]:
    """What is read wrong in a case of golden_sections.jsonl; line breaks make no difference."""
    report = read_sections(case["text"])
    found = {"findings": report.findings, "impression": report.impression}
    return [f"{name}: {text!r}" for name, text in found.items() if text.split() != case[name].split()]


def _status(labels: ReportLabels, finding: str) -> str:
    for status in ("present", "uncertain", "absent"):
        if finding in getattr(labels, status):
            return status
    return "not mentioned"


def judged() -> Iterator[tuple[str, Case, list[str]]]:
    for case in read_cases(LABELS):
        yield f"sentences, {case['source']}", case, label_mistakes(case)
    for case in read_cases(SECTIONS):
        yield f"full reports, {case['source']}", case, section_mistakes(case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", action="store_true", help="show the cases that are read wrong")
    options = parser.parse_args()
    num_cases, num_right = Counter[str](), Counter[str]()
    for source, case, mistakes in judged():
        num_cases[source] += 1
        num_right[source] += not mistakes
        if mistakes and options.wrong:
            print(f"{case['text']!r}\n    {'; '.join(mistakes)}")
    for source, number in num_cases.items():
        print(f"{source:40s} {num_right[source]:4d} of {number}")


if __name__ == "__main__":
    main()
