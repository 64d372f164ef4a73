import pytest

from xr2text_core.report.cleaning import clean_iu, clean_mimic


@pytest.mark.parametrize(
    ("report", "cleaned"),
    [
        ("The heart is Normal. Lungs are clear.", "the heart is normal . lungs are clear ."),
        ("No effusion, or (small) mass?", "no effusion or small mass ."),
        ("1. Cardiomegaly. 2. No effusion.", "cardiomegaly . no effusion ."),
        ("A nodule 3. Clear", "a nodule . clear ."),
        ("Clear... Normal..", "clear . normal ."),
        ("Follow-up of the x-ray", "follow-up of the x-ray ."),
        ("", "."),
    ],
)
def test_report_is_cleaned_to_words_and_full_stops(report, cleaned):
    assert clean_iu(report) == cleaned
    assert clean_mimic(report) == cleaned


@pytest.mark.parametrize(
    ("report", "cleaned"),
    [("2.5 cm mass", "25 cm mass ."), ("1/2 of it", "12 of it ."), ("Level of T11. The rest", "level of t1the rest .")],
)
def test_known_side_effects_of_the_published_cleaning_are_kept(report, cleaned):
    assert clean_iu(report) == cleaned


def test_mimic_cleaning_joins_lines_before_it_looks_for_list_markers():
    report = "FINDINGS:\n 1.  Mass of ___ cm.\n 2.  Clear."
    assert clean_mimic(report) == "findings mass of cm . clear ."


def test_cleaning_twice_changes_nothing():
    cleaned = clean_mimic('The "heart"  is normal.\nNo 2. effusion; left/right [sic].')
    assert clean_mimic(cleaned) == cleaned
