"""How well the labeler agrees with the annotators of the Indiana University collection (MeSH codes of whole reports).

    python tests/report/agreement.py            the half that rules were written on (even uid)
    python tests/report/agreement.py --held-out the other half (odd uid), for reporting only
    python tests/report/agreement.py --errors "lung opacity"   reports of the even half that disagree

What a code means is in metrics/findings/mesh.py; its qualifiers say where, here. Rows without text and rows coded
"No Indexing" are left out. A finding counts as read when it is present, not when it is uncertain: that is how the
annotators coded most of what "may represent" something.
"""

import argparse
import csv
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xr2text_core.metrics.findings.mesh import findings_of_code, mesh_truth, split_codes
from xr2text_core.report.labeler import ReportLabels, label_report
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

REPORTS = Path(__file__).parents[4].parent / "shared/data/iu-reports/reports.csv"

FIXED_REGION = {
    "cardiomegaly": "heart",
    "enlarged cardiomediastinum": "mediastinum",
    "aortic abnormality": "mediastinum",
    "pleural effusion": "costophrenic angles",
    "degenerative spine": "spine",
    "scoliosis": "spine",
    "elevated diaphragm": "diaphragm",
    "hiatal hernia": "mediastinum",
    "support devices": "",
    "other abnormality": "",
}


@dataclass(frozen=True)
class Truth:
    """What the annotators coded for one report, in our words."""

    findings: frozenset[str]
    regions: frozenset[str]
    is_normal: bool


def truth_of(mesh: str) -> Truth:
    """Translate the MeSH cell of a row."""
    codes = split_codes(mesh)
    found = mesh_truth([codes])
    findings = (name for name, is_found in zip(FINDINGS, found.findings[0], strict=True) if is_found)
    regions = {region for code in codes for finding in findings_of_code(code) for region in regions_of(code, finding)}
    return Truth(frozenset(findings), frozenset(regions), bool(found.is_normal[0]))


def regions_of(term: str, finding: str) -> tuple[str, ...]:
    """Where a term lies; a lung finding without a side lies in both lungs."""
    head, *qualifiers = term.split("/")
    places = set(qualifiers)
    if finding in FIXED_REGION:
        return _known(FIXED_REGION[finding])
    if places & {"thoracic vertebrae", "lumbar vertebrae", "spine", "cervical vertebrae"} or head == "Kyphosis":
        return ("spine",)
    if finding in ("fracture", "bone abnormality") or places & {
        "abdomen",
        "thorax",
        "sternum",
        "ribs",
        "breast",
        "neck",
    }:
        return ()
    if head in ("Costophrenic Angle", "Diaphragm"):
        return _known({"Costophrenic Angle": "costophrenic angles"}.get(head, "diaphragm"))
    if "costophrenic angle" in places or "pleural sinus" in places:
        return ("costophrenic angles",)
    if _is_mediastinal(finding, places):
        return ("mediastinum",)
    return _lungs(places)


def _is_mediastinal(finding: str, places: set[str]) -> bool:
    if places & {"mediastinum", "paratracheal", "aorta", "aorta, thoracic", "lymph nodes"}:
        return True
    return finding in ("calcification", "granuloma", "lung lesion") and "hilum" in places


def _lungs(places: set[str]) -> tuple[str, ...]:
    if "bilateral" in places or not places & {"right", "left", "lingula", "middle lobe"}:
        return ("right lung", "left lung")
    right = bool(places & {"right", "middle lobe"})
    left = bool(places & {"left", "lingula"})
    return ("right lung",) * right + ("left lung",) * left


def _known(region: str) -> tuple[str, ...]:
    return (region,) if region in REGIONS else ()


@dataclass(frozen=True)
class Row:
    """One report of the collection."""

    uid: str
    text: str
    mesh: str


def read_half(is_held_out: bool) -> list[Row]:
    """The rows of one half: even uid to work on, odd uid held out."""
    with REPORTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Row(row["uid"], f"{row['findings']} {row['impression']}".strip(), row["MeSH"])
        for row in rows
        if int(row["uid"]) % 2 == is_held_out
        and split_codes(row["MeSH"])
        and row["findings"].strip() + row["impression"].strip()
    ]


@dataclass(frozen=True)
class Agreement:
    """Shares between 0 and 1."""

    num_reports: int
    normal_accuracy: float
    finding_f1: dict[str, float]  # the 12 findings that are coded most often
    region_f1: float
    reports_per_s: float  # of one core: by process time, with empty caches

    @property
    def macro_f1(self) -> float:
        return sum(self.finding_f1.values()) / len(self.finding_f1)


def measure(rows: list[Row]) -> Agreement:
    """Compare the labeler with the codes of `rows`."""
    truths = [truth_of(row.mesh) for row in rows]
    started = time.process_time()
    labels = [label_report(row.text) for row in rows]
    reports_per_s = len(rows) / (time.process_time() - started)
    commonest = [name for name, _ in Counter(f for truth in truths for f in truth.findings).most_common(12)]
    scores = {
        name: f1((t.findings & {name}, found(a) & {name}) for t, a in zip(truths, labels, strict=True))
        for name in commonest
    }
    same = sum(truth.is_normal == answer.is_normal for truth, answer in zip(truths, labels, strict=True))
    regions = f1((truth.regions, answer.regions) for truth, answer in zip(truths, labels, strict=True))
    return Agreement(len(rows), same / len(rows), scores, regions, reports_per_s)


def found(labels: ReportLabels) -> frozenset[str]:
    """What counts as coded: the findings that are present."""
    return labels.present


def f1(pairs: Iterable[tuple[frozenset[str], frozenset[str]]]) -> float:
    """Micro F1 over pairs of sets (truth, answer)."""
    hits = misses = extras = 0
    for truth, answer in pairs:
        hits += len(truth & answer)
        misses += len(truth - answer)
        extras += len(answer - truth)
    return 2 * hits / max(2 * hits + misses + extras, 1)


def show(agreement: Agreement) -> None:
    print(f"reports                 {agreement.num_reports}")
    print(f"normal or not, accuracy {agreement.normal_accuracy:.4f}")
    print(f"12 findings, macro F1   {agreement.macro_f1:.4f}")
    for name, value in agreement.finding_f1.items():
        print(f"    {name:26s} {value:.3f}")
    print(f"region sets, micro F1   {agreement.region_f1:.4f}")
    print(f"reports/s               {agreement.reports_per_s:.0f}")


def show_errors(rows: list[Row], name: str) -> None:
    """Print the reports that disagree about a finding, a region or "normal"."""
    for row in rows:
        truth, answer = truth_of(row.mesh), label_report(row.text)
        coded = (name in truth.findings | truth.regions) or (name == "normal" and truth.is_normal)
        read = (name in found(answer) | answer.regions) or (name == "normal" and answer.is_normal)
        if coded != read:
            print(f"{'MISSED' if coded else 'EXTRA '} {row.uid} [{row.mesh}]\n    {row.text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", action="store_true", help="the odd half; shows numbers only")
    parser.add_argument("--errors", metavar="NAME", choices=(*FINDINGS, *REGIONS, "normal"), help="even half only")
    options = parser.parse_args()
    if not REPORTS.is_file():
        raise SystemExit(f"{REPORTS} is missing: there is nothing to compare with")
    if options.errors:
        show_errors(read_half(is_held_out=False), options.errors)
    else:
        show(measure(read_half(options.held_out)))


if __name__ == "__main__":
    main()
