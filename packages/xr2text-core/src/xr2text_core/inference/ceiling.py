"""The phantom's own writer as a baseline: what it says about the same scenes in its commonest wording."""

from collections.abc import Sequence

from xr2text_core.drawing.names import named_scene
from xr2text_core.drawing.writing import commonest_report
from xr2text_core.metrics.rows import References, Row


def ceiling_row(references: References, images: Sequence[str], section: str) -> Row:
    """Nobody can do much better than this. `images` are the names of the phantoms, one per reference."""
    candidates = [commonest_report(named_scene(name)).section(section) for name in images]
    return references.row("ceiling: phantom's own writer", candidates)
