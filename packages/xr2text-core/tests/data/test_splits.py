"""Splits follow the patient: by the source's word, else by a hash."""

from collections import Counter

import pytest

from xr2text_core.data.splits import assign_splits, leaks_between, split_name, split_of, split_patients
from xr2text_core.data.study import SPLITS


def test_the_hash_gives_80_10_10_and_never_changes() -> None:
    counts = Counter(split_of(f"patient {number}") for number in range(10_000))
    assert 7_800 < counts["train"] < 8_200
    assert 850 < counts["val"] < 1_150
    assert [split_of(patient) for patient in ("1", "2", "p10000032")] == ["train", "val", "train"]


@pytest.mark.parametrize("count", [3, 4, 5, 10])
def test_three_patients_or_more_reach_every_split(count: int) -> None:
    for start in range(50):
        splits = split_patients(f"{start + number}" for number in range(count))
        assert set(splits.values()) == set(SPLITS)


def test_the_order_of_patients_does_not_matter() -> None:
    names = [str(number) for number in range(7)]
    assert split_patients(names) == split_patients(reversed(names))


@pytest.mark.parametrize(
    ("word", "split"),
    [("Train", "train"), (" validate ", "val"), ("valid", "val"), ("TEST", "test"), ("", ""), ("holdout", None)],
)
def test_words_of_data_sets_are_known(word: str, split: str | None) -> None:
    assert split_name(word) == split


def test_given_splits_are_honoured() -> None:
    given = [("a", "test"), ("b", "train"), ("c", "val")]
    assigned, notes = assign_splits(given)
    assert assigned == {pair: pair[1] for pair in given}
    assert notes == []


def test_a_patient_without_a_split_follows_his_other_studies() -> None:
    assigned, _ = assign_splits([("a", "test"), ("a", ""), ("b", "train"), ("c", "val")])
    assert assigned["a", ""] == "test"


def test_a_patient_in_two_given_splits_is_noted_as_a_leak_without_naming_the_patient() -> None:
    (warning,) = leaks_between([("anna", "train"), ("anna", "test"), ("b", "val"), ("b", "")])
    assert warning.startswith("LEAK: 1 patient is in more than one")
    assert "anna" not in warning


def test_one_or_two_patients_are_for_training_and_validation() -> None:
    for start in range(50):
        assert set(split_patients([f"{start}"]).values()) == {"train"}
        assert set(split_patients([f"{start}", f"{start + 1}"]).values()) == {"train", "val"}


def test_validation_is_taken_from_training_patients_when_the_source_has_none() -> None:
    given = [(str(number), "train") for number in range(18)] + [("t", "test")]
    assigned, notes = assign_splits(given)
    assert Counter(assigned.values()) == {"train": 16, "val": 2, "test": 1}
    assert "validation" in notes[0]
