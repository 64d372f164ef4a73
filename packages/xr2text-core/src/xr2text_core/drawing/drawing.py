"""Draws the film of a phantom scene with numpy: a few soft edges per structure, no loop over pixels.

The halves of the chest come first (lungs.py), then the middle, devices and markers.
"""

import numpy as np
from PIL import Image, ImageDraw

from xr2text_core.drawing.film import (
    HEART,
    METAL,
    Array,
    Film,
    add,
    blank_film,
    cover,
    expose,
    half_of,
    inflation,
    rise,
)
from xr2text_core.drawing.lungs import (
    draw_clavicle_and_scapula,
    draw_fluid,
    draw_lung,
    draw_lung_finding,
    draw_ribs,
)
from xr2text_core.drawing.scene import Scene

# Sizes of findings by severity, chosen well apart: neighbours differ by several pixels on a film of 96 pixels.
HEART_RATIO = {"mild": 0.57, "moderate": 0.66, "severe": 0.77}
USUAL_HALF_WIDTH = 0.052  # of the mediastinum
MEDIASTINUM_HALF_WIDTH = {"mild": 0.095, "moderate": 0.130, "severe": 0.170}
_SPINE_CURVE = {"mild": 0.050, "moderate": 0.085, "severe": 0.120}

_GLYPHS = {  # rows of three pixels
    "A": ("010", "101", "111", "101", "101"),
    "P": ("110", "101", "110", "100", "100"),
    "R": ("110", "101", "110", "101", "101"),
}


def draw_scene(scene: Scene, size: int) -> Array:
    """Draw a scene as uint8 (size, size), 0 black to 255 white. The patient's right is on the left of the image."""
    film = blank_film(scene, size)
    for side in ("right", "left"):
        half = half_of(film, side)
        draw_lung(half)
        draw_ribs(half, scene)
        for item in scene.findings:
            draw_lung_finding(half, film, item)
        draw_fluid(half, scene)
        draw_clavicle_and_scapula(half, scene)
    _draw_heart_and_mediastinum(film)
    _draw_spine(film)
    _draw_airway(film)
    _darken_outside(film)
    if scene.devices:
        _draw_devices(film)
    _draw_markers(film)
    return expose(film)


def _draw_spine(film: Film) -> None:
    item = film.scene.get("scoliosis")
    curve = np.zeros_like(film.y)
    if item:
        sign = -1.0 if item.side == "right" else 1.0
        curve = np.float32(sign * _SPINE_CURVE[item.severity or "mild"]) * np.sin(np.pi * (film.y - 0.06) / 0.84)
    away = np.abs(film.x - (film.centre + curve))
    discs = np.float32(0.85) + np.float32(0.15) * np.sign(np.sin(film.y * np.float32(105.0)))
    spine = rise(np.float32(0.036) - away, max(0.015, film.pixel)) * discs
    cover(film.pixels, spine * np.float32(0.55 if item else 0.25), 0.88)


def _draw_heart_and_mediastinum(film: Film) -> None:
    """Draw both as one silhouette whose left and right edges are given per row."""
    anatomy, y = film.scene.anatomy, film.y
    wide = film.scene.get("enlarged cardiomediastinum")
    vessels = np.full_like(y, USUAL_HALF_WIDTH) + 0.09 * np.clip((anatomy.apex_y + 0.03 - y) / 0.1, 0.0, 1.0)
    bulge = np.exp(-np.square((y - (anatomy.apex_y + 0.19)) / 0.16))
    if wide:
        vessels = vessels + (MEDIASTINUM_HALF_WIDTH[wide.severity or "mild"] - USUAL_HALF_WIDTH) * bulge
    knob = 0.022 * np.exp(-np.square((y - (anatomy.apex_y + 0.19)) / 0.035))
    right, left = _heart_edges(film)
    shift = np.float32({"right": -0.02, "left": 0.02}.get(film.scene.rotated or "", 0.0))
    d = film.x - film.centre - shift
    softness = max(0.018, 1.2 * film.pixel)
    mask = rise(d + np.maximum(vessels, right).astype(np.float32), softness)
    mask *= rise(np.maximum(vessels + knob, left).astype(np.float32) - d, softness)
    # Less dense above the heart, so that the spine and the airway show through.
    strength = 0.6 + 0.32 * np.clip((y - anatomy.apex_y - 0.22) / 0.2, 0.0, 1.0)
    if wide:
        strength = np.maximum(strength, 0.8 * bulge)
    cover(film.pixels, mask * strength.astype(np.float32), HEART)


def _heart_edges(film: Film) -> tuple[Array, Array]:
    """Return how far the heart reaches to the right and to the left of the midline, per row (H, 1)."""
    scene, item = film.scene, film.scene.get("cardiomegaly")
    ratio = scene.anatomy.heart_ratio * (1.0 - 0.22 * max(inflation(scene), 0.0))
    if item:
        ratio = HEART_RATIO[item.severity or "mild"] + film.generator.uniform(-0.015, 0.015)
    width = 2.0 * ratio * scene.anatomy.half_width
    bottom = scene.anatomy.dome_y + 0.14 * inflation(scene) + 0.07
    top = bottom - 0.34 - 0.15 * max(ratio - 0.45, 0.0)
    descent = np.clip((film.y - top) / (bottom - top), 0.0, 1.0)
    right = 0.36 * width * np.sqrt(np.clip(np.sin(np.pi * descent), 0.0, 1.0))
    left = 0.64 * width * np.clip(np.sin(np.pi * descent**1.6), 0.0, 1.0) ** 0.8
    return right, left


def _draw_airway(film: Film) -> None:
    rows = slice(None, round(0.40 / film.pixel))
    away = np.abs(film.x - film.centre[rows])
    fade = np.clip((0.38 - film.y[rows]) / 0.06, 0.0, 1.0)
    add(film.pixels[rows], rise(np.float32(0.016) - away, 0.015) * fade * np.float32(-0.14))


def _darken_outside(film: Film) -> None:
    """Leave air around the neck and beside the chest."""
    shoulder = np.clip((film.y - 0.02) / 0.16, 0.0, 1.0)
    arm = 0.14 + 0.42 * np.sqrt(shoulder) - 0.10 * np.clip((film.y - 0.35) / 0.3, 0.0, 1.0)
    body = rise(arm.astype(np.float32) - np.abs(film.x - film.centre), 0.03)
    np.multiply(film.pixels, body, out=film.pixels)


def _draw_devices(film: Film) -> None:
    """Draw devices at twice the size and halve them, so that thin lines have soft edges."""
    size, scale = film.pixels.shape[0], 2 * film.pixels.shape[0]
    centre, dome_y = film.scene.anatomy.centre_x, film.scene.anatomy.dome_y
    image = Image.new("L", (scale, scale))
    pen = ImageDraw.Draw(image)

    def line(points: list[tuple[float, float]], thickness: float) -> None:
        width = max(2, round(max(thickness, 0.9 * film.pixel) * scale))
        pen.line([(x * scale, y * scale) for x, y in points], fill=255, width=width, joint="curve")

    for device in film.scene.devices:
        if device == "pacemaker":
            box = (centre + 0.22, 0.19, centre + 0.31, 0.27)
            pen.rounded_rectangle([value * scale for value in box], radius=0.02 * scale, fill=255)
            tip = (centre + 0.09, dome_y - 0.02)
            line(
                [(centre + 0.24, 0.19), (centre + 0.10, 0.15), (centre - 0.04, 0.25), (centre - 0.04, 0.5), tip], 0.009
            )
        elif device == "central line":
            line([(centre - 0.15, 0.02), (centre - 0.11, 0.12), (centre - 0.055, 0.22), (centre - 0.05, 0.44)], 0.012)
        elif device == "endotracheal tube":
            line([(centre + 0.002, 0.0), (centre, 0.30)], 0.020)
        elif device == "feeding tube":
            line([(centre + 0.02, 0.0), (centre + 0.02, dome_y - 0.02), (centre + 0.13, dome_y + 0.13)], 0.012)
    mask = np.asarray(image.resize((size, size), Image.Resampling.BOX), np.float32) / np.float32(255.0)
    cover(film.pixels, mask * np.float32(0.9), METAL)


def _draw_markers(film: Film) -> None:
    """Print R at the patient's right, and AP on portable films, into the dark corners, as technicians do."""
    cell = max(1, round(0.011 / film.pixel))
    _print(film.pixels, "R", left=round(0.03 / film.pixel), cell=cell)
    if film.scene.view == "AP":
        _print(film.pixels, "AP", left=film.pixels.shape[1] - round(0.03 / film.pixel) - 7 * cell, cell=cell)


def _print(pixels: Array, text: str, left: int, cell: int) -> None:
    for letter in text:
        glyph = np.array([[bit == "1" for bit in row] for row in _GLYPHS[letter]])
        block = np.kron(glyph, np.ones((cell, cell), bool))
        corner = pixels[2 * cell : 2 * cell + block.shape[0], left : left + block.shape[1]]
        corner[block[: corner.shape[0], : corner.shape[1]]] = 0.95
        left += 4 * cell
