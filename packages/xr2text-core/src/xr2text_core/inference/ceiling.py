"""What is known of drawn studies: the phantom's own writer as a baseline, in its commonest wording, and the truth."""

from collections.abc import Sequence

from xr2text_core.drawing.desk_writing import commonest_desk_report, write_desk_report
from xr2text_core.drawing.names import named_desk, named_scene
from xr2text_core.drawing.writing import commonest_report
from xr2text_core.metrics.findings.desk import DeskTruth
from xr2text_core.metrics.rows import References, Row


def ceiling_row(references: References, images: Sequence[str], section: str, desk: bool = False) -> Row:
    """Nobody can do much better than this. `images` are the names of the frontal phantoms, one per reference."""
    reports = (
        commonest_desk_report(named_desk(name)) if desk else commonest_report(named_scene(name)) for name in images
    )
    return references.row("ceiling: phantom's own writer", [report.section(section) for report in reports])


def drawn_truth(images: Sequence[str], section: str) -> list[DeskTruth]:
    """What was drawn of each study of a run with --desk, by the name of its frontal film."""
    desks = [named_desk(name) for name in images]
    return [
        DeskTruth(
            frozenset(item.finding for item in desk.hidden),
            desk.labels.findings,
            desk.changes,
            desk.asked,
            write_desk_report(desk.prior).section(section) if desk.prior else "",
        )
        for desk in desks
    ]
