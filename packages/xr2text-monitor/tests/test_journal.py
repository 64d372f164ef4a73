"""What becomes a line of the journal, and that nothing does twice."""

from dataclasses import replace
from pathlib import Path

import frozen

from xr2text_monitor.alerts import Change
from xr2text_monitor.journal import Journal
from xr2text_monitor.run_files import Event
from xr2text_monitor.state import RunState


def test_every_event_is_told_once(tmp_path: Path) -> None:
    snapshot, journal = frozen.typical(tmp_path), Journal()
    assert [entry.kind for entry in journal.add(snapshot)][:2] == ["started", "stage_changed"]
    assert journal.add(snapshot) == []
    more = replace(snapshot, events=(*snapshot.events, Event(1.0, "new_best", "x")), num_events=snapshot.num_events + 1)
    assert [entry.text for entry in journal.add(more)] == ["x"]


def test_a_file_of_events_that_began_anew_is_told_again(tmp_path: Path) -> None:
    snapshot, journal = frozen.typical(tmp_path), Journal()
    journal.add(snapshot)
    anew = replace(snapshot, events=(Event(1.0, "started", "again"),), num_events=1)
    assert [entry.text for entry in journal.add(anew)] == ["again"]


def test_the_round_of_every_epoch_is_no_news_but_death_and_return_are(tmp_path: Path) -> None:
    snapshot, journal = frozen.typical(tmp_path), Journal()
    journal.add(snapshot)
    kinds = []
    for name in ("validating", "saving", "training", "dead", "dead", "training", "finished"):
        kinds += [entry.text for entry in journal.add(replace(snapshot, state=RunState(name, "why")))]
    assert kinds == ["dead: why", "training: why", "finished: why"]


def test_warnings_are_told_when_raised_and_when_over(tmp_path: Path) -> None:
    snapshot, journal = frozen.hot(tmp_path), Journal()
    journal.add(snapshot)
    alert = snapshot.alerts[0]
    changes = (Change(alert, True, alert.since), Change(alert, False, alert.since + 125))
    raised, over = journal.add(replace(snapshot, changes=changes))
    assert raised.is_alert and "improve cooling" in raised.text and "lasted 2 min 05 s" in over.text
