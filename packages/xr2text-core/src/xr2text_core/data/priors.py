"""The last study of the same patient before a study: by date, or as the source names it.

Only an earlier study of the same split counts. Of two studies at one time, or on one day whose hours are unknown,
neither is earlier.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

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
    named = _named(studies, places, set(left_out))
    notes = _about_dates(places)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, (study, place) in enumerate(zip(studies, places, strict=True)):
        if is_time(place.time):
            groups[study.patient_id, study.split].append(index)
    by_date = _by_date(studies, places, groups)
    found = []
    for index, study in enumerate(studies):
        before = named.get(index) if places[index].prior_id else by_date.get(index)
        found.append(study if before is None else replace(study, prior=_prior(studies, places, index, before)))
    return tuple(found), notes


def _by_date(
    studies: Sequence[Study], places: Sequence[Place], groups: Mapping[tuple[str, str], list[int]]
) -> dict[int, int]:
    """For each study the last earlier one with a frontal film."""
    found = {}
    for group in groups.values():
        ordered = sorted(group, key=lambda index: (_moment(places[index].time), studies[index].study_id))
        for position, index in enumerate(ordered):
            earlier = (
                other
                for other in reversed(ordered[:position])
                if is_earlier(places[other].time, places[index].time) and studies[other].views[0] != "lateral"
            )
            if (before := next(earlier, None)) is not None:
                found[index] = before
    return found


def is_time(text: str) -> bool:
    """Whether a text is a date, or a date and a time, in ISO 8601."""
    return _moment(text) is not None


def is_earlier(time: str, other: str) -> bool:
    """Whether a time is before another one; where one of them is only a date, whether its day is."""
    first, second = _moment(time), _moment(other)
    if first is None or second is None:
        return False
    if min(len(time), len(other)) <= _ONLY_DATE:
        return first.date() < second.date()
    return first < second


def _named(studies: Sequence[Study], places: Sequence[Place], left_out: set[str]) -> dict[int, int]:
    """For each study whose source names the one before it, that one; none where it is unusable."""
    by_id: dict[str, list[int]] = defaultdict(list)
    for index, study in enumerate(studies):
        by_id[study.study_id].append(index)
    found: dict[int, int | None] = {}
    for index, place in enumerate(places):
        if not place.prior_id or (place.prior_id in left_out and place.prior_id not in by_id):
            continue
        options = by_id.get(place.prior_id, [])
        same_split = [each for each in options if studies[each].split == studies[index].split]
        before = next(iter(same_split or options), None)
        if why := _why_not(studies, places, index, before):
            raise DatasetError(f"row {place.line}: prior_study_id {place.prior_id} of study {why}")
        found[index] = before
    _refuse_circles(studies, places, found)
    return {index: before for index, before in found.items() if before is not None}


def _why_not(studies: Sequence[Study], places: Sequence[Place], index: int, before: int | None) -> str:
    """What is wrong with a named prior; "" where nothing is."""
    study, place = studies[index], places[index]
    if before is None:
        return f"{study.study_id} is no study of this table; name one of the column study_id, or leave the cell empty"
    other = studies[before]
    if other.patient_id != study.patient_id:
        return f"{study.study_id} is a study of another patient; give both the same patient_id"
    if other.split != study.split:
        return f"{study.study_id} is in the split {other.split}, the study itself in {study.split}"
    if is_time(place.time) and is_time(places[before].time) and not is_earlier(places[before].time, place.time):
        return f"{study.study_id} is not earlier by the column date"
    return ""


def _refuse_circles(studies: Sequence[Study], places: Sequence[Place], found: Mapping[int, int | None]) -> None:
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


def _prior(studies: Sequence[Study], places: Sequence[Place], index: int, before: int) -> Prior:
    first, second = _moment(places[before].time), _moment(places[index].time)
    days = None
    if first and second:
        if min(len(places[before].time), len(places[index].time)) <= _ONLY_DATE:
            days = float((second.date() - first.date()).days)
        else:
            days = (second - first).total_seconds() / _DAY_S
    return Prior(studies[before].frontal, studies[before].report, days)


def _about_dates(places: Sequence[Place]) -> list[str]:
    wrong = [place.line for place in places if place.time and not is_time(place.time)]
    if not wrong:
        return []
    count = "1 date is" if len(wrong) == 1 else f"{len(wrong)} dates are"
    row = f" (row {wrong[0]})" if wrong[0] else ""
    return [f"{count} not of the form 2020-01-31{row}: such a study has no earlier one, and is none of another"]


@lru_cache(maxsize=4096)
def _moment(time: str) -> datetime | None:
    """The time without a zone (that of UTC where it has one); None where it is none."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
