"""The film on which a phantom is drawn, the two halves of a chest in numbers, and soft edges.

Lengths are fractions of the image's side, grey values range from 0 (air, black) to 1 (metal, white) until `expose`.
Each half of the chest is drawn on its own view of the film, in the distance from the midline `a` (H, W/2), so a lung is
described once and its edges are arrays of one value per row (H, 1) or per column (1, W/2).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from xr2text_core.drawing.scene import Scene

Array = np.ndarray

TISSUE, ABDOMEN, LUNG, HEART, FLUID, FREE_AIR, METAL = 0.58, 0.70, 0.19, 0.76, 0.74, 0.03, 1.0

_DRAWING = 2  # purpose of `Scene.generator`
_DIAPHRAGM_RISE = {"mild": 0.09, "moderate": 0.16, "severe": 0.23}
_HYPERINFLATION = {"mild": 0.55, "severe": 1.0}


@dataclass(frozen=True)
class Film:
    """The film being drawn, and the coordinates of every structure."""

    pixels: Array  # float32 (H, W), changed in place
    x: Array  # (1, W)
    y: Array  # (H, 1)
    centre: Array  # (H, 1): x of the midline
    texture: Array  # (H, W): smooth noise, standard deviation about 1
    scene: Scene
    generator: np.random.Generator

    @property
    def pixel(self) -> float:
        return 1.0 / len(self.pixels)


@dataclass(frozen=True)
class Half:
    """One side of the chest; arrays are views of the film's columns on that side of the midline."""

    side: str
    pixels: Array  # (H, W/2)
    texture: Array  # (H, W/2)
    a: Array  # (H, W/2): distance from the midline, growing towards the arm
    y: Array  # (H, 1)
    outer: Array  # (H, 1): distance of the chest wall from the midline
    floor: Array  # (1, W/2): y of the diaphragm
    dome_y: float
    depth: Array  # (1, W/2): 0 at the midline, 1 at the widest place of the chest wall
    softness: float


def rise(distance: Array, softness: float) -> Array:
    """Return 0 well below zero distance, 1 well above, and a straight ramp of width `softness` between."""
    ramp = distance * np.float32(1.0 / softness)
    ramp += np.float32(0.5)
    np.clip(ramp, 0.0, 1.0, out=ramp)
    return ramp


def add(pixels: Array, values: Array) -> None:
    np.add(pixels, values, out=pixels)


def cover(pixels: Array, mask: Array, value: float) -> None:
    pixels += mask * (np.float32(value) - pixels)


@lru_cache(maxsize=4)
def _noise_tile(size: int) -> Array:
    """Return smooth noise (2 size, 2 size) from which each film takes a window."""
    generator = np.random.default_rng(0)

    def layer(cells: int) -> Array:
        coarse = Image.fromarray(generator.standard_normal((cells, cells)).astype(np.float32))
        return np.asarray(coarse.resize((2 * size, 2 * size), Image.Resampling.BICUBIC))

    tile = layer(24) + 0.8 * layer(64) + 0.6 * layer(128)
    scaled: Array = (tile / tile.std()).astype(np.float32)
    return scaled


@lru_cache(maxsize=4)
def _grain_tile(size: int) -> Array:
    return np.random.default_rng(1).standard_normal((2 * size, 2 * size)).astype(np.float32)


def _window(tile: Array, size: int, generator: np.random.Generator) -> Array:
    top, left = generator.integers(size, size=2)
    return tile[top : top + size, left : left + size]


def blank_film(scene: Scene, size: int, purpose: int = _DRAWING) -> Film:
    generator = scene.generator(purpose)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = steps[None, :], steps[:, None]
    return Film(
        pixels=np.full((size, size), TISSUE, np.float32),
        x=x,
        y=y,
        centre=np.float32(scene.anatomy.centre_x) + np.float32(scene.anatomy.tilt) * (y - 0.5),
        texture=_window(_noise_tile(size), size, generator),
        scene=scene,
        generator=generator,
    )


def expose(film: Film) -> Array:
    anatomy, pixels = film.scene.anatomy, film.pixels
    pixels += _window(_grain_tile(len(pixels)), len(pixels), film.generator) * np.float32(anatomy.noise)
    pixels *= np.float32(255.0 * anatomy.contrast)
    pixels += np.float32(255.0 * (anatomy.brightness + 0.45 * (1.0 - anatomy.contrast)))
    return np.clip(pixels, 0.0, 255.0, out=pixels).astype(np.uint8)


def half_of(film: Film, side: str) -> Half:
    anatomy, sign = film.scene.anatomy, -1.0 if side == "right" else 1.0
    middle = round(anatomy.centre_x * film.pixels.shape[1])
    columns = slice(None, middle) if side == "right" else slice(middle, None)
    width = anatomy.half_width * _turn(film.scene, side)
    depth = np.clip((film.x[:, columns] - anatomy.centre_x) * sign / width, 0.0, 1.3).astype(np.float32)
    dome_y = _dome_y(film.scene, side)
    return Half(
        side=side,
        pixels=film.pixels[:, columns],
        texture=film.texture[:, columns],
        a=(film.x[:, columns] - film.centre) * np.float32(sign),
        y=film.y,
        outer=chest_wall(film.y, anatomy.apex_y, width),
        floor=_floor(depth, dome_y, film.scene),
        dome_y=dome_y,
        depth=depth,
        softness=max(0.012, 1.2 * film.pixel),
    )


def chest_wall(y: Array, apex_y: float, width: float) -> Array:
    """Return the distance of the chest wall from the midline per row: none at the apex, `width` at the base."""
    descent = np.clip((y - apex_y) / (0.86 - apex_y), 0.0, 1.0)
    return (width * np.sqrt(1.0 - (1.0 - descent) ** 3)).astype(np.float32)


def _turn(scene: Scene, side: str) -> float:
    """A rotated patient shows one half of the chest wider than the other."""
    return 1.0 if scene.rotated is None else (1.10 if scene.rotated == side else 0.84)


def inflation(scene: Scene) -> float:
    """Return 0 for a usual breath, up to 1 for hyperinflated lungs and below 0 for low volumes."""
    item = scene.get("hyperinflation")
    if item:
        return _HYPERINFLATION[item.severity or "severe"]
    return -0.8 if scene.get("low lung volumes") else 0.0


def _dome_y(scene: Scene, side: str) -> float:
    dome_y = scene.anatomy.dome_y + (0.02 if side == "left" else 0.0)
    dome_y += 0.14 * inflation(scene)
    item = scene.get("elevated diaphragm")
    if item and item.is_on(side):
        dome_y -= _DIAPHRAGM_RISE[item.severity or "mild"] + (0.03 if side == "left" else 0.0)
    return dome_y


def _floor(depth: Array, dome_y: float, scene: Scene) -> Array:
    """Return the outline of the diaphragm: a dome with a deep lateral angle, flat in hyperinflated lungs."""
    lateral = np.clip((depth - 0.45) / 0.55, 0.0, 1.0) ** 2
    medial = np.clip((0.45 - depth) / 0.45, 0.0, 1.0) ** 1.5
    # Towards the midline both domes meet at the same height, however high one of them stands.
    medial_drop = max(scene.anatomy.dome_y + 0.14 * inflation(scene) - dome_y, 0.0) + 0.03
    flatness = 1.0 - 0.75 * max(inflation(scene), 0.0)
    return (dome_y + flatness * (0.13 * lateral + medial_drop * medial)).astype(np.float32)


def inside_chest(half: Half) -> Array:
    return rise(half.outer - half.a, half.softness)


def lung_mask(half: Half) -> Array:
    mask: Array = inside_chest(half) * rise(half.floor - half.y, half.softness)
    return mask
