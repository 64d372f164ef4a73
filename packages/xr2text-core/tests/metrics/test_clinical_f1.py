import math

import pytest

from xr2text_core.metrics.clinical_f1 import clinical_f1

EFFUSION = "There is a right pleural effusion."
PNEUMOTHORAX = "There is a left apical pneumothorax."
NORMAL = "The lungs are clear. No pleural effusion or pneumothorax. The heart is normal in size."


def test_the_same_findings_in_other_words_score_1():
    scores = clinical_f1(["Pleural effusion on the right."], [EFFUSION])
    assert (scores.macro, scores.micro, scores.macro_abnormal) == (1.0, 1.0, 1.0)


def test_denied_and_uncertain_findings_are_not_positive():
    assert clinical_f1([NORMAL], [EFFUSION]).macro == 0.0
    assert clinical_f1(["Possible right pleural effusion."], [EFFUSION]).macro == 0.0


def test_macro_is_the_mean_over_findings_of_the_references_and_micro_pools_them():
    scores = clinical_f1([EFFUSION], [f"{EFFUSION} {PNEUMOTHORAX}"])
    assert scores.macro == pytest.approx(0.5)
    assert scores.micro == pytest.approx(2 / 3)


def test_a_finding_that_no_reference_has_lowers_micro_but_not_macro():
    scores = clinical_f1([f"{EFFUSION} {PNEUMOTHORAX}"], [EFFUSION])
    assert scores.macro == 1.0
    assert scores.micro == pytest.approx(2 / 3)


def test_findings_invented_in_normal_studies_do_not_lower_the_macro_over_abnormal_ones():
    scores = clinical_f1([EFFUSION, EFFUSION], [EFFUSION, NORMAL])
    assert scores.macro == pytest.approx(2 / 3)
    assert scores.macro_abnormal == 1.0


def test_each_finding_has_precision_recall_and_support():
    effusion = clinical_f1([EFFUSION, EFFUSION, NORMAL], [EFFUSION, NORMAL, EFFUSION]).per_finding["pleural effusion"]
    assert (effusion.precision, effusion.recall, effusion.f1, effusion.support) == (0.5, 0.5, 0.5, 2)


def test_without_a_finding_in_the_references_f1_is_undefined_and_not_0():
    scores = clinical_f1([NORMAL], [NORMAL])
    assert all(map(math.isnan, (scores.macro, scores.micro, scores.macro_abnormal)))
    invented = clinical_f1([EFFUSION], [NORMAL])
    assert math.isnan(invented.macro) and invented.micro == 0.0


def test_precision_without_candidates_and_recall_without_references_are_undefined():
    missed = clinical_f1([NORMAL], [EFFUSION]).per_finding["pleural effusion"]
    assert math.isnan(missed.precision) and (missed.recall, missed.f1) == (0.0, 0.0)
    invented = clinical_f1([EFFUSION], [NORMAL]).per_finding["pleural effusion"]
    assert math.isnan(invented.recall) and (invented.precision, invented.f1) == (0.0, 0.0)
    assert math.isnan(clinical_f1([NORMAL], [NORMAL]).per_finding["edema"].f1)


def test_devices_count_as_a_finding():
    devices = clinical_f1(["A pacemaker is in place."], ["A pacemaker is present."]).per_finding["support devices"]
    assert (devices.f1, devices.support) == (1.0, 1)
