"""The split of each patient: given by the source, else by a hash of the patient id. Never by row."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from xr2text_core.data.study import SPLITS

TRAIN_SHARE, VAL_SHARE = 0.8, 0.1
SPLIT_BY_HASH = "no splits given: patients were split 80/10/10 (train/val/test) by a hash of their id"

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def split_name(word: str) -> str | None:
    """Return the split for a data set's name of it ("validate" -> "val"); "" for none given, None if unknown."""
    word = word.strip().lower()
    return _SPLIT_WORDS.get(word) if word else ""


def split_of(patient_id: str) -> str:
    """Return train, val or test (80/10/10) by a hash of the patient id: the same on every machine, at any time."""
    return _split_at(_position(patient_id))


def split_patients(patient_ids: Iterable[str]) -> dict[str, str]:
    """Return the split of every patient by `split_of`; train, val and test each get one, as far as patients go."""
    places = sorted((_position(patient), patient) for patient in set(patient_ids))
    split = {patient: _split_at(position) for position, patient in places}
    patients = list(split)
    if len(patients) < len(SPLITS):
        return dict(zip(patients, SPLITS, strict=False))
    for empty in (name for name in SPLITS if name not in split.values()):
        largest = Counter(split.values()).most_common(1)[0][0]
        candidates = [patient for patient in patients if split[patient] == largest]
        split[candidates[-1 if largest == "train" else 0]] = empty
    return split


def assign_splits(given: Iterable[tuple[str, str]]) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Return the split for every (patient id, given split) and the notes for the user.

    A given split is kept. A patient without one follows their other studies, else the hash. When the source gives
    no validation split, part of its training patients becomes one, since it selects the best model.
    """
    splits_of: dict[str, set[str]] = {}
    pairs = set(given)
    for patient, split in pairs:
        if split:
            splits_of.setdefault(patient, set()).add(split)
    first_split = {patient: min(splits, key=SPLITS.index) for patient, splits in splits_of.items()}
    first_split |= split_patients(patient for patient, split in pairs if not split and patient not in splits_of)
    assigned = {(patient, split): split or first_split[patient] for patient, split in pairs}
    notes = []
    if not splits_of:
        notes.append(SPLIT_BY_HASH)
    elif "val" not in assigned.values():
        assigned, note = _with_validation(assigned)
        notes += note
    if "test" not in assigned.values():
        notes.append("there are no test studies")
    return assigned, notes


def leaks_between(given: Iterable[tuple[str, str]]) -> list[str]:
    """Return a warning when patients (patient id, given split) are in more than one split; it names none of them."""
    count = Counter(patient for patient, split in set(given) if split)
    num_leaks = sum(splits > 1 for splits in count.values())
    if not num_leaks:
        return []
    who = "1 patient is" if num_leaks == 1 else f"{num_leaks} patients are"
    return [
        f"LEAK: {who} in more than one of the given splits; scores on them are too high. "
        "Without the split column, patients are split by id"
    ]


def _with_validation(assigned: Mapping[tuple[str, str], str]) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Move about one training patient in nine (10 of 90 %), at least one of two, to validation."""
    train = sorted({patient for (patient, _), split in assigned.items() if split == "train"}, key=_position)
    count = max(1, round(len(train) * VAL_SHARE / (TRAIN_SHARE + VAL_SHARE)))
    if len(train) < 2:
        return dict(assigned), ["there are no validation studies"]
    chosen = set(train[-count:])
    moved = {key: "val" if split == "train" and key[0] in chosen else split for key, split in assigned.items()}
    return moved, [f"no validation split given: {count} of {len(train)} training patients were moved to it"]


def _split_at(position: float) -> str:
    if position < TRAIN_SHARE:
        return "train"
    return "val" if position < TRAIN_SHARE + VAL_SHARE else "test"


def _position(patient_id: str) -> float:
    """Return a number in 0..1 (1 excluded) that is pseudo-random and depends on the id alone."""
    return int.from_bytes(hashlib.sha256(patient_id.encode("utf-8", "surrogateescape")).digest()[:6]) / 2**48
