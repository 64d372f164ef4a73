"""The picture of the frontier has a place for every row."""

from pathlib import Path

import numpy as np
from PIL import Image

from xr2text_core.metrics.findings.frontier import draw_frontier
from xr2text_core.metrics.rows import References

REFERENCES = References(["The heart is enlarged.", "The lungs are clear."] * 3, "clean-full")


def test_a_picture_is_drawn_and_every_further_point_changes_it(tmp_path: Path) -> None:
    some = REFERENCES.row("sensitivity 1", REFERENCES.texts)
    none = REFERENCES.row("sensitivity 0.3", ["The lungs are clear."] * 6)
    for name, others in (("one", []), ("two", [none])):
        draw_frontier([none, some], others, tmp_path / "new" / f"{name}.png")
    one, two = (np.asarray(Image.open(tmp_path / "new" / f"{name}.png").convert("L")) for name in ("one", "two"))
    assert one.shape == two.shape and one.std() > 1 and not np.array_equal(one, two)
