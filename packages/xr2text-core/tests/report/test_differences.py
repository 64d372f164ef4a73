"""What differs between two reports is marked, and nothing of their text is lost."""

import pytest

from xr2text_core.report.differences import differences


def marked(first: str, second: str) -> tuple[list[str], list[str]]:
    """The words of both that are marked, one string a run."""
    ours, theirs = ([text.strip() for text, differs in runs if differs] for runs in differences(first, second))
    return ours, theirs


def test_other_words_of_a_sentence_are_marked() -> None:
    assert marked("There is a small left effusion.", "There is a large left effusion.") == (["small"], ["large"])


def test_a_sentence_of_both_is_not_marked_wherever_it_stands() -> None:
    assert marked("Heart is normal. Lungs are clear.", "Lungs are clear. Heart is normal.") == ([], [])


def test_a_word_is_held_against_the_sentence_that_is_most_alike() -> None:
    ours, theirs = marked(
        "There is a large right effusion.", "The right lung is clear. There is a small left effusion."
    )
    assert (ours, theirs) == (["large right"], ["The right lung is clear.", "small left"])


def test_a_sentence_said_twice_is_marked_where_the_other_says_it_once() -> None:
    assert marked("No fracture. No fracture.", "No fracture.") == (["No fracture."], [])


def test_case_and_punctuation_make_no_difference() -> None:
    assert marked("Heart size, normal.", "heart size normal") == ([], [])


def test_a_short_word_that_matches_alone_does_not_break_up_a_mark() -> None:
    ours, theirs = marked("A nodule is seen.", "Scarring is present.")
    assert (ours, theirs) == (["A nodule is seen."], ["Scarring is present."])


@pytest.mark.parametrize(
    ("first", "second"), [("", ""), ("", "Clear."), ("No effusion.", ""), ("...", "?!"), ("\n", " ")]
)
def test_empty_reports_are_fine(first: str, second: str) -> None:
    assert all("".join(text for text, _ in runs) in (first, second) for runs in differences(first, second))


def test_the_runs_joined_are_the_texts_again() -> None:
    first, second = "  1. A 2.5 cm mass,\n in the left lung!  No effusion. ", "A mass (3 cm) is seen ... No  effusion"
    ours, theirs = differences(first, second)
    assert "".join(text for text, _ in ours) == first
    assert "".join(text for text, _ in theirs) == second
