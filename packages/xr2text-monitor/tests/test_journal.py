"""What becomes a line of the journal, and that nothing does twice."""

from dataclasses import replace
from pathlib import Path

import frozen
from fake_run import FakeRun

from xr2text_monitor.alerts import Alert, Change, Limits
from xr2text_monitor.hardware.gpu_poller import nobody
from xr2text_monitor.journal import Journal
from xr2text_monitor.readers.run_files import Event, RunFolder
from xr2text_monitor.sampler import Sampler
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


def test_a_new_run_with_as_many_events_as_the_old_one_is_told_whole(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.status()
    run.event("started", "the old run")
    run.event("new_best", "of the old run")
    sampler, journal = Sampler(RunFolder.under(tmp_path), Limits(), nobody), Journal()
    assert [entry.text for entry in journal.add(sampler.sample())] == ["the old run", "of the old run"]
    (run.statistics / "events.jsonl").unlink()
    run.event("started", "the new run")
    run.event("new_best", "of the new run")
    assert [entry.text for entry in journal.add(sampler.sample())] == ["the new run", "of the new run"]
    assert journal.add(sampler.sample()) == []


def test_what_is_unknown_or_only_information_is_not_called_an_alert(tmp_path: Path) -> None:
    alerts = (Alert("a", "t", "a", 1.0, is_unknown=True), Alert("b", "t", "a", 1.0, severity="info"))
    changes = tuple(Change(alert, True, 1.0) for alert in alerts)
    new = Journal().add(replace(frozen.waiting(), changes=changes))
    assert [entry.kind for entry in new] == ["unknown", "info"]
