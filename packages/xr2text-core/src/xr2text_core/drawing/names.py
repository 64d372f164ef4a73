"""Names of drawn images, such as `phantom:0/17` (seed 0, number 17), and the scene and the film behind a name."""

import numpy as np
import numpy.typing as npt

from xr2text_core.drawing.drawing import draw_scene
from xr2text_core.drawing.scene import Scene, sample_scene

PREFIX = "phantom:"


def image_name(seed: int, number: int) -> str:
    return f"{PREFIX}{seed}/{number}"


def named_scene(name: str) -> Scene:
    """Return the scene of an image name; ValueError if it is none."""
    seed, _, number = name.removeprefix(PREFIX).partition("/")
    if not (name.startswith(PREFIX) and seed.isdecimal() and number.isdecimal()):
        raise ValueError(f"not the name of a phantom image: {name!r}, expected phantom:SEED/NUMBER, as in phantom:0/17")
    return sample_scene(int(seed), int(number))


def draw_image(name: str, size: int) -> npt.NDArray[np.uint8]:
    """Draw the image `phantom:SEED/NUMBER` as uint8 (size, size), 0 black to 255 white."""
    return draw_scene(named_scene(name), size)
