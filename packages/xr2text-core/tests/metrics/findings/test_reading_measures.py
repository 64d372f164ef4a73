"""The eye and the pen are measured apart, against labels and against annotators' codes."""

import numpy as np

from xr2text_core.metrics.findings.reading import DECIDED, LABELS, MACRO, MESH, Eye, reading_measures
from xr2text_core.report.vocabulary import FINDINGS

SICK, WELL = "The heart is enlarged.", "The heart size is normal."
HEART = FINDINGS.index("cardiomegaly")
REFERENCES = [SICK] * 12 + [WELL] * 12


def eye(decided: list[bool]) -> Eye:
    found = np.zeros((24, len(FINDINGS)), dtype=bool)
    found[:, HEART] = decided
    return Eye(np.where(found, 0.9, 0.1), found)


def values(**arguments: object) -> dict[tuple[str, str, str], float]:
    measures = reading_measures(**arguments)  # type: ignore[arg-type]
    return {(each.name, each.truth, each.finding): each.value for each in measures}


def test_a_good_eye_with_a_deaf_pen_is_told_from_a_blind_one() -> None:
    truth = [True] * 12 + [False] * 12
    deaf = values(candidates=[WELL] * 24, references=REFERENCES, codes=[()] * 24, eye=eye(truth))
    assert deaf["finding AUC", LABELS, MACRO] == 1 and deaf["F1 of decisions", LABELS, MACRO] == 1
    assert deaf["F1 of reports", LABELS, MACRO] == 0 and deaf["obedience: recall", DECIDED, MACRO] == 0
    blind = values(candidates=[SICK] * 24, references=REFERENCES, codes=[()] * 24, eye=eye([True] * 24))
    assert blind["finding AUC", LABELS, MACRO] == 0.5
    assert blind["obedience: reports that say exactly this", DECIDED, MACRO] == 1
    assert blind["false findings per normal study", LABELS, MACRO] == 1 and blind["specificity", LABELS, MACRO] == 0


def test_codes_of_annotators_are_a_truth_of_their_own_over_the_studies_that_have_them() -> None:
    codes = [("Cardiomegaly/mild",)] * 6 + [("normal",)] * 6 + [()] * 12
    found = values(candidates=REFERENCES, references=REFERENCES, codes=codes)
    assert found["false findings per normal study", MESH, MACRO] == 1  # six that the coders call normal
    assert found["false findings per normal study", LABELS, MACRO] == 0
    assert not any(name.startswith(("finding AUC", "obedience")) for name, _, _ in found)  # nobody decided
    without = values(candidates=REFERENCES, references=REFERENCES, codes=[()] * 24)
    assert {truth for _, truth, _ in without} == {LABELS}
