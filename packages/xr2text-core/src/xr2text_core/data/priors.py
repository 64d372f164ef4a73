"""The last study of the same patient before a study: by date, or as the source names it.

Only an earlier study of the same split counts. Of two studies at one time, or on one day whose hours are unknown,
neither is earlier.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from xr2text_core.data.study import DatasetError, Prior, Study

_DAY_S = 86_400.0
_ONLY_DATE = 10  # characters of 2020-01-31


@dataclass(frozen=True)
class Place:
    """Where a study stands among those of its patient, as its source tells."""

    time: str = ""  # ISO 8601, a date with or without a time of day; "" where nobody says
    prior_id: str = ""  # id of the study before it; "" where nobody says
    line: int = 0  # of the table, for messages


NOWHERE = Place()


def with_priors(
    studies: Sequence[Study], places: Sequence[Place], left_out: Collection[str] = ()
) -> tuple[tuple[Study, ...], list[str]]:
    """The studies with their priors, one place each, and notes for the user. `left_out` are ids of unusable studies.

    DatasetError where a named prior is unknown, of another patient or split, not earlier, or its own successor.
    """
    times = [_read(place.time) if place.time else None for place in places]
    named = _named(studies, places, times, set(left_out))
    by_date = _by_date(studies, times)
    found = list(studies)
    for index, place in enumerate(places):
        before = named.get(index) if place.prior_id else by_date.get(index)
        if before is not None:
            last = studies[before]
            days = _days(times[before], times[index])
            found[index] = replace(studies[index], prior=Prior(last.frontal, last.report, days))
    return tuple(found), _about_dates(places, times)


def is_time(text: str) -> bool:
    """Whether a text is a date, or a date and a time, in ISO 8601."""
    return _read(text) is not None


class _Time(NamedTuple):
    moment: datetime  # without a zone: that of UTC where the source gives one
    has_clock: bool  # False for a date alone


def _read(text: str) -> _Time | None:
    """The time that a text says in ISO 8601, else None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return _Time(moment, len(text) > _ONLY_DATE)


def _precedes(first: _Time | None, second: _Time | None) -> bool:
    if first is None or second is None:
        return False
    if first.has_clock and second.has_clock:
        return first.moment < second.moment
    return first.moment.date() < second.moment.date()


def _days(first: _Time | None, second: _Time | None) -> float | None:
    """Between two times; whole days where one of them is a date alone, None where one is unknown."""
    if first is None or second is None:
        return None
    if first.has_clock and second.has_clock:
        return (second.moment - first.moment).total_seconds() / _DAY_S
    return float((second.moment.date() - first.moment.date()).days)


def _by_date(studies: Sequence[Study], times: Sequence[_Time | None]) -> dict[int, int]:
    """For each study the last earlier one with a frontal film, of the same patient and split."""
    groups: dict[tuple[str, str], list[tuple[datetime, str, int]]] = defaultdict(list)
    for index, (study, time) in enumerate(zip(studies, times, strict=True)):
        if time is not None:
            groups[study.patient_id, study.split].append((time.moment, study.study_id, index))
    found = {}
    for group in groups.values():
        ordered = [index for _, _, index in sorted(group)]
        for position, index in enumerate(ordered):
            for other in reversed(ordered[:position]):
                if studies[other].views[0] != "lateral" and _precedes(times[other], times[index]):
                    found[index] = other
                    break
    return found


def _named(
    studies: Sequence[Study], places: Sequence[Place], times: Sequence[_Time | None], left_out: set[str]
) -> dict[int, int]:
    """For each study whose source names the one before it, that one; none where it is unusable."""
    naming = [index for index, place in enumerate(places) if place.prior_id]
    by_id: dict[str, list[int]] = defaultdict(list)
    for index, study in enumerate(studies if naming else ()):
        by_id[study.study_id].append(index)
    found: dict[int, int] = {}
    for index in naming:
        study, place = studies[index], places[index]
        options = by_id.get(place.prior_id, [])
        if not options and place.prior_id in left_out:
            continue
        same_split = [other for other in options if studies[other].split == study.split]
        before = next(iter(same_split or options), None)
        if why := _why_not(studies, times, index, before):
            raise DatasetError(f"row {place.line}: prior_study_id {place.prior_id} of study {study.study_id} {why}")
        assert before is not None  # else there is a reason
        found[index] = before
    _refuse_circles(studies, places, found)
    return found


def _why_not(studies: Sequence[Study], times: Sequence[_Time | None], index: int, before: int | None) -> str:
    """What is wrong with a named prior; "" where nothing is."""
    if before is None:
        return "is no study of this table; name one of the column study_id, or leave the cell empty"
    study, other = studies[index], studies[before]
    if other.patient_id != study.patient_id:
        return "is a study of another patient; give both the same patient_id"
    if other.split != study.split:
        return f"is in the split {other.split}, the study itself in {study.split}"
    if before != index and times[before] and times[index] and not _precedes(times[before], times[index]):
        return "is not earlier by the column date"
    return ""


def _refuse_circles(studies: Sequence[Study], places: Sequence[Place], found: Mapping[int, int]) -> None:
    """DatasetError where a study is its own successor, at once or after several steps."""
    is_done: set[int] = set()
    for start in found:
        path: dict[int, None] = {}
        index: int | None = start
        while index is not None and index not in is_done:
            if index in path:
                raise DatasetError(
                    f"row {places[index].line}: prior_study_id leads from study {studies[index].study_id} back to "
                    "itself; each study must name an earlier one"
                )
            path[index] = None
            index = found.get(index)
        is_done |= set(path)


def _about_dates(places: Sequence[Place], times: Sequence[_Time | None]) -> list[str]:
    wrong = [place.line for place, time in zip(places, times, strict=True) if place.time and time is None]
    if not wrong:
        return []
    count = "1 date is" if len(wrong) == 1 else f"{len(wrong)} dates are"
    row = f" (row {wrong[0]})" if wrong[0] else ""
    return [f"{count} not of the form 2020-01-31{row}: such a study has no earlier one, and is none of another"]
