"""Finds the reference of every generated report by its id, and says which are left over on either side."""

from collections.abc import Sequence
from dataclasses import dataclass

from xr2text_core.data.report_files import Candidates, KnownReports
from xr2text_core.data.study import DatasetError

EXAMPLES = 3  # ids named in a message


@dataclass(frozen=True)
class Pairs:
    """Candidates and references of the same studies in the same order, and what a reader of the scores must know."""

    ids: list[str]
    candidates: list[str]
    references: list[str]
    splits: tuple[str, ...]  # of the references; empty where none is known
    notes: list[str]


def pair(candidates: Candidates, known: KnownReports, split: str = "") -> Pairs:
    """Find the reference of every candidate, of one split or of any; DatasetError where no candidate has one."""
    chosen = {name: text for name, text in known.texts.items() if not split or known.splits.get(name) == split}
    found = [name for name in candidates.texts if name in chosen]
    strangers = [name for name in candidates.texts if name not in chosen]
    if not found:
        raise DatasetError(
            f"{candidates.path}: none of its {len(candidates.texts)} ids ({_some(strangers)}) is among the "
            f"{len(chosen)} of {known.name}{f', {split} split' if split else ''} ({_some(list(chosen))})"
        )
    ids = [name for name in found if chosen[name].strip()]
    if not ids:
        raise DatasetError(f"{known.name}: the references of all {len(found)} candidates are blank")
    splits = tuple(sorted({known.splits.get(name, "") for name in ids} - {""}))
    expected = [name for name in chosen if not splits or known.splits.get(name) in splits]
    lines = {
        "candidates have no reference in " + known.name: strangers,
        "studies have a blank reference": [name for name in found if not chosen[name].strip()],
    }
    notes = [f"{len(names)} {what} and are left out ({_some(names)})" for what, names in lines.items() if names]
    if absent := [name for name in expected if name not in candidates.texts]:
        notes.append(f"{len(absent)} of {len(expected)} references of {known.name} have no candidate ({_some(absent)})")
    return Pairs(ids, [candidates.texts[name] for name in ids], [chosen[name] for name in ids], splits, notes)


def candidates_for(pairs: Pairs, other: Candidates) -> list[str]:
    """The reports of a second file for the same studies; DatasetError where it lacks one, or has other references."""
    if lacking := [name for name in pairs.ids if name not in other.texts]:
        raise DatasetError(
            f"{other.path} has no candidate for {len(lacking)} of {len(pairs.ids)} studies ({_some(lacking)}); "
            "two files are compared on the same studies"
        )
    theirs = other.references.texts if other.references else {}
    differ = [name for name, text in zip(pairs.ids, pairs.references, strict=True) if theirs.get(name, text) != text]
    if differ:
        raise DatasetError(f"{other.path} has other references for {len(differ)} studies ({_some(differ)})")
    return [other.texts[name] for name in pairs.ids]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
