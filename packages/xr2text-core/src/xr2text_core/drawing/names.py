"""Names of drawn images, such as `phantom:0/17` (seed 0, number 17), and the scene and the film behind a name.

`phantom:0/17/lateral` is the lateral film of the same desk, `phantom:0/17/prior` the frontal film of its last study.
"""

import re

import numpy as np
import numpy.typing as npt

from xr2text_core.drawing.desk import Desk, sample_desk
from xr2text_core.drawing.drawing import draw_scene
from xr2text_core.drawing.lateral import draw_lateral
from xr2text_core.drawing.scene import Scene, sample_scene

PREFIX = "phantom:"
LATERAL, PRIOR = "lateral", "prior"
_NAME = re.compile(rf"{PREFIX}([0-9]+)/([0-9]+)(?:/({LATERAL}|{PRIOR}))?")


def image_name(seed: int, number: int, film: str = "") -> str:
    """The name of a film: the frontal one, or LATERAL or PRIOR."""
    return f"{PREFIX}{seed}/{number}" + (f"/{film}" if film else "")


def named_scene(name: str) -> Scene:
    """Return the scene of the name of a frontal film; ValueError if it is none."""
    seed, number, film = _parts(name)
    if film:
        raise ValueError(f"not the name of a frontal phantom image: {name!r}, expected phantom:SEED/NUMBER")
    return sample_scene(seed, number)


def named_desk(name: str) -> Desk:
    """Return the desk of the study of a film: the last study for PRIOR. ValueError where there is no such film."""
    seed, number, film = _parts(name)
    desk = sample_desk(seed, number)
    if film == PRIOR and desk.prior is not None:
        return desk.prior
    if film == PRIOR or (film == LATERAL and not desk.has_lateral):
        raise ValueError(f"{name!r}: this phantom study has no {film} film")
    return desk


def draw_image(name: str, size: int) -> npt.NDArray[np.uint8]:
    """Draw the image of a name as uint8 (size, size), 0 black to 255 white; ValueError where there is no such film."""
    seed, number, film = _parts(name)
    if not film:
        return draw_scene(sample_scene(seed, number), size)
    desk = named_desk(name)
    return draw_lateral(desk, size) if film == LATERAL else draw_scene(desk.scene, size)


def _parts(name: str) -> tuple[int, int, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"not the name of a phantom image: {name!r}, expected phantom:SEED/NUMBER, as in phantom:0/17")
    return int(match[1]), int(match[2]), match[3] or ""
