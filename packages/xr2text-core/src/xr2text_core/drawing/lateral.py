"""Draws the lateral film of a phantom desk: the sternum on the left of the image, the spine on the right.

The chest is that of the frontal film, seen from the side: its heart, lungs, diaphragm and what lies in the lungs. It
also shows what the frontal film hides: behind the heart, in the posterior angle, in the spine and in the sternum.
Lengths and grey values are those of film.py.
"""

from dataclasses import dataclass

import numpy as np

from xr2text_core.drawing.desk import Desk
from xr2text_core.drawing.drawing import HEART_RATIO
from xr2text_core.drawing.film import (
    ABDOMEN,
    FLUID,
    HEART,
    LUNG,
    TISSUE,
    Array,
    Film,
    add,
    blank_film,
    cover,
    expose,
    inflation,
    rise,
)
from xr2text_core.drawing.lungs import CONSOLIDATION_RADIUS, FLUID_LEVEL, LESION_RADIUS, ZONE_HEIGHT
from xr2text_core.drawing.scene import LATERAL, PhantomFinding

_DRAWING = 6  # purpose of `Scene.generator`
_BONE = 0.86
_VERTEBRA = 0.085  # from one disc to the next
_MIDDLE = 0.53  # x of the middle of the chest


@dataclass(frozen=True)
class Side:
    """The chest from the side: where its walls and its diaphragm are."""

    film: Film
    front: Array  # (H, 1): x of the anterior wall
    back: Array  # (H, 1): x of the posterior wall
    floor: Array  # (1, W): y of the diaphragm, lowest behind
    lung: Array  # (H, W): 1 inside the lungs
    softness: float

    def blob(self, x: float, y: float, radius: float, stretch: float = 1.0) -> Array:
        """1 inside a rounded patch, in whose distance a vertical step counts `stretch` times."""
        film = self.film
        distance = np.square(film.x - np.float32(x)) + np.square((film.y - np.float32(y)) * np.float32(stretch))
        return rise(np.float32(radius) - np.sqrt(distance), 1.5 * self.softness)


def draw_lateral(desk: Desk, size: int) -> Array:
    """Draw the lateral film of a desk as uint8 (size, size), 0 black to 255 white."""
    film = blank_film(desk.scene, size, _DRAWING)
    side = _side_of(film)
    _draw_lungs(side)
    for item in desk.scene.findings:
        _draw_lung_finding(side, item)
    _draw_heart(side)
    hidden = {item.finding: item for item in desk.hidden}
    if "lung opacity" in hidden:
        _draw_behind_the_heart(side)
    _draw_fluid(side, hidden.get("pleural effusion") or desk.scene.get("pleural effusion"))
    _draw_spine(side, has_osteophytes="degenerative spine" in hidden)
    _draw_sternum(side, is_broken="fracture" in hidden)
    _darken_outside(side)
    return expose(film)


def _side_of(film: Film) -> Side:
    anatomy = film.scene.anatomy
    descent = np.clip((film.y - anatomy.apex_y) / (0.86 - anatomy.apex_y), 0.0, 1.0).astype(np.float32)
    depth = np.float32(0.75 * anatomy.half_width) * np.sqrt(np.float32(1.0) - (np.float32(1.0) - descent) ** 3)
    softness = max(0.012, 1.2 * film.pixel)
    front, back = _MIDDLE - np.float32(1.05) * depth, _MIDDLE + depth
    behind = np.clip((film.x - np.float32(_MIDDLE - 0.05)) / np.float32(0.30), 0.0, 1.0)
    before = np.clip((np.float32(_MIDDLE - 0.05) - film.x) / np.float32(0.30), 0.0, 1.0)
    flatness = np.float32(1.0 - 0.6 * max(inflation(film.scene), 0.0))
    dome_y = np.float32(anatomy.dome_y + 0.14 * inflation(film.scene))
    floor = dome_y + flatness * (np.float32(0.17) * behind**2 + np.float32(0.05) * before**2)
    inside = rise(film.x - front, softness) * rise(back - film.x, softness)
    return Side(film, front, back, floor, inside * rise(floor - film.y, softness), softness)


def _draw_lungs(side: Side) -> None:
    film = side.film
    below = rise(film.y - side.floor, side.softness)
    add(film.pixels, below * np.float32(ABDOMEN - TISSUE))
    hilum = side.blob(_MIDDLE, film.scene.anatomy.dome_y - 0.27, 0.05)
    lung = np.float32(LUNG + 0.10) + film.texture * np.float32(0.035) + hilum * np.float32(0.20)
    add(film.pixels, side.lung * (lung - film.pixels))


def _draw_lung_finding(side: Side, item: PhantomFinding) -> None:
    """Draw what lies in the lungs at its height; its depth is where the frontal film leaves it open."""
    film, anatomy = side.film, side.film.scene.anatomy
    if item.finding == "edema":
        cover(film.pixels, side.lung * np.float32(0.45), 0.66)
    if item.finding not in ("consolidation", "lung lesion"):
        return
    radii = CONSOLIDATION_RADIUS if item.finding == "consolidation" else LESION_RADIUS
    y = anatomy.apex_y + ZONE_HEIGHT[item.zone or "mid"] * (anatomy.dome_y - anatomy.apex_y)
    patch = side.blob(_MIDDLE - 0.02, y, radii[item.severity or "mild"])
    cover(film.pixels, patch * side.lung * np.float32(0.85), 0.80)


def _draw_heart(side: Side) -> None:
    anatomy, item = side.film.scene.anatomy, side.film.scene.get("cardiomegaly")
    ratio = HEART_RATIO[item.severity or "mild"] if item else anatomy.heart_ratio
    y = anatomy.dome_y + 0.14 * inflation(side.film.scene) - 0.11
    heart = side.blob(_MIDDLE - 0.115, y, 0.10 + 0.09 * ratio, stretch=0.85)
    cover(side.film.pixels, heart * np.float32(0.85), HEART)


def _draw_behind_the_heart(side: Side) -> None:
    film = side.film
    x, y, radius = film.generator.uniform((0.635, -0.16, 0.055), (0.655, -0.12, 0.065))
    y += film.scene.anatomy.dome_y + 0.14 * inflation(film.scene)
    cover(film.pixels, side.blob(x, y, radius) * side.lung * np.float32(0.85), 0.80)


def _draw_fluid(side: Side, item: PhantomFinding | None) -> None:
    """Draw fluid in the posterior angle: little that only this film shows, and more with each severity."""
    if item is None:
        return
    film = side.film
    level = 0.06 if item.zone == LATERAL else 0.08 + FLUID_LEVEL[item.severity or "mild"]
    lowest = np.float32(film.scene.anatomy.dome_y + 0.14 * inflation(film.scene) + 0.12)
    surface = lowest - np.float32(level) - np.float32(0.25) * np.clip(film.x - np.float32(_MIDDLE + 0.1), 0.0, 0.2)
    inside = rise(film.x - np.float32(_MIDDLE - 0.05), 0.05) * rise(side.back - film.x, side.softness)
    cover(film.pixels, inside * rise(film.y - surface, 2 * side.softness) * np.float32(0.95), FLUID)


def _draw_spine(side: Side, has_osteophytes: bool) -> None:
    """Draw a column of vertebrae and dark discs; osteophytes are beaks at the front of several discs."""
    film = side.film
    middle = side.back - np.float32(0.01)
    phase = film.y * np.float32(np.pi / _VERTEBRA)
    discs = rise(np.abs(np.sin(phase)) - np.float32(0.30), 0.3)
    column = rise(np.float32(0.042) - np.abs(film.x - middle), side.softness)
    cover(film.pixels, column * (np.float32(0.25) + np.float32(0.45) * discs), _BONE)
    if has_osteophytes:
        first = film.generator.integers(4, 6)
        for number in range(first, first + 3):
            y = number * _VERTEBRA
            row = min(int(y / film.pixel), len(film.y) - 1)
            cover(film.pixels, side.blob(float(middle[row, 0]) - 0.050, y, 0.024, stretch=1.3), 0.95)


def _draw_sternum(side: Side, is_broken: bool) -> None:
    """Draw a thin plate at the front; broken, its lower half has stepped back behind a gap."""
    film = side.film
    y = film.y
    line: Array = side.front + np.float32(0.012)
    ends = rise(y - np.float32(0.24), 0.02) * rise(np.float32(0.62) - y, 0.02)
    if is_broken:
        height = np.float32(film.generator.uniform(0.38, 0.46))
        line = (line + np.float32(0.042) * rise(y - height, 0.01)).astype(np.float32)
        ends = ends * rise(np.abs(y - height) - np.float32(0.014), 0.01)
    plate = rise(np.float32(0.014) - np.abs(film.x - line), side.softness)
    cover(film.pixels, plate * ends * np.float32(0.85), _BONE)


def _darken_outside(side: Side) -> None:
    """Leave air before and behind the chest."""
    film = side.film
    shoulder = np.float32(0.10) * np.clip(np.float32(1.0) - film.y / np.float32(0.25), 0.0, 1.0)
    inside = rise(film.x - (side.front - np.float32(0.05) - shoulder), 0.03)
    inside *= rise(side.back + np.float32(0.10) - film.x, 0.03)
    np.multiply(film.pixels, inside, out=film.pixels)
