"""Lungs, ribs and what is found in a lung, drawn on one half of a phantom's film (legend in film.py)."""

import numpy as np

from xr2text_core.drawing.film import (
    ABDOMEN,
    FLUID,
    FREE_AIR,
    LUNG,
    TISSUE,
    Array,
    Film,
    Half,
    add,
    chest_wall,
    cover,
    inflation,
    inside_chest,
    lung_mask,
    rise,
)
from xr2text_core.drawing.scene import PhantomFinding, Scene

# Sizes of findings by severity, chosen well apart: neighbours differ by several pixels on a film of 96 pixels.
FLUID_LEVEL = {"mild": 0.00, "moderate": 0.14, "severe": 0.29}  # height above the dome of the diaphragm
PNEUMOTHORAX_GAP = {"mild": 0.055, "moderate": 0.110, "severe": 0.180}
CONSOLIDATION_RADIUS = {"mild": 0.058, "moderate": 0.090, "severe": 0.125}
LESION_RADIUS = {"mild": 0.031, "severe": 0.062}
NUM_PLATES = {"mild": 1, "moderate": 3}
EDEMA_DENSITY = {"mild": 0.30, "moderate": 0.55, "severe": 0.85}

ZONE_HEIGHT = {"upper": 0.30, "mid": 0.56, "lower": 0.82}  # from the apex (0) to the dome (1)
_ZONE_DEPTH = {"upper": 0.56, "mid": 0.66, "lower": 0.68}  # from the midline (0) to the chest wall (1)


def draw_lung(half: Half) -> None:
    below = rise(half.y - half.floor, half.softness) * rise(half.outer - half.a, 0.04)
    add(half.pixels, below * np.float32(ABDOMEN - TISSUE))
    # Vessels: noise that is strongest at the hilum and fades towards the chest wall.
    hilum_y = half.dome_y - 0.26
    away = np.square(half.a - 0.09) * np.float32(40.0) + np.square(half.y - hilum_y) * np.float32(25.0)
    vessels = np.float32(1.0) / (np.float32(1.0) + away)
    lung = vessels * (half.texture * np.float32(0.05) + np.float32(0.16)) + np.float32(LUNG)
    add(half.pixels, lung_mask(half) * (lung - half.pixels))


def draw_ribs(half: Half, scene: Scene) -> None:
    """Draw the posterior ribs, falling towards the side, and the fainter anterior ones, falling inwards."""
    # The abdomen is dense: ribs hardly show through it.
    inside = inside_chest(half) * (np.float32(0.03) + np.float32(0.08) * rise(half.floor - half.y, 0.03))
    spacing = scene.anatomy.rib_spacing
    posterior = (half.y - (scene.anatomy.apex_y + 0.16 * half.depth**2)) / np.float32(spacing)
    add(half.pixels, inside * _stripes(posterior))
    anterior = (half.y - (scene.anatomy.apex_y + 0.30 * (1.0 - half.depth))) / np.float32(1.25 * spacing)
    add(half.pixels, inside * np.float32(0.45) * _stripes(anterior))


def _stripes(phase: Array) -> Array:
    """Return bright bands where the phase is near a half, dark gaps where it is near a whole number."""
    distance = np.abs(phase - np.floor(phase) - np.float32(0.5))
    return rise(np.float32(0.24) - distance, 0.2)


def draw_clavicle_and_scapula(half: Half, scene: Scene) -> None:
    top = scene.anatomy.apex_y + (0.03 if scene.view == "AP" else 0.065)
    line = top - (0.02 if scene.view == "AP" else 0.10) * half.depth
    clavicle = rise(np.float32(0.014) - np.abs(half.y - line), half.softness)
    add(half.pixels, clavicle * (rise(half.depth - 0.12, 0.1) * np.float32(0.16)))
    if scene.view == "AP":  # arms hang down: the shoulder blades lie over the lungs
        inner_edge = np.float32(0.66) + np.float32(0.75) * np.abs(half.y - np.float32(0.24))
        outer_edge = np.float32(1.10) - np.maximum(half.y - np.float32(0.30), 0.0)
        blade = rise(half.depth - inner_edge, 0.05) * rise(outer_edge - half.depth, 0.05)
        add(half.pixels, blade * rise(0.48 - half.y, 0.05) * np.float32(0.12))


def draw_lung_finding(half: Half, film: Film, item: PhantomFinding) -> None:
    if not item.is_on(half.side):
        return
    if item.finding == "consolidation":
        _draw_consolidation(half, film, item)
    elif item.finding == "lung lesion":
        _draw_lesion(half, film, item)
    elif item.finding == "atelectasis":
        _draw_plates(half, film, item)
    elif item.finding == "pneumothorax":
        _draw_pneumothorax(half, film, item)
    elif item.finding == "edema":
        _draw_edema(half, item)
    elif item.finding == "hyperinflation":
        add(half.pixels, lung_mask(half) * np.float32(-0.05 - 0.05 * inflation(film.scene)))


def _place(half: Half, film: Film, zone: str) -> tuple[float, float]:
    """Return where in a zone a finding sits: its distance from the midline and its y, a little different each time."""
    apex_y = film.scene.anatomy.apex_y
    y = apex_y + (ZONE_HEIGHT[zone] + film.generator.uniform(-0.04, 0.04)) * (half.dome_y - apex_y)
    row = min(int(y / film.pixel), len(half.outer) - 1)
    return float(half.outer[row, 0]) * (_ZONE_DEPTH[zone] + film.generator.uniform(-0.05, 0.05)), float(y)


def _distance(half: Half, place: tuple[float, float], stretch: float = 1.0) -> Array:
    """Return the distance from a place, in which a vertical step counts `stretch` times."""
    across, down = half.a - np.float32(place[0]), (half.y - np.float32(place[1])) * np.float32(stretch)
    distance: Array = np.sqrt(np.square(across) + np.square(down))
    return distance


def _draw_consolidation(half: Half, film: Film, item: PhantomFinding) -> None:
    radius = CONSOLIDATION_RADIUS[item.severity or "moderate"] * film.generator.uniform(0.93, 1.07)
    distance = _distance(half, _place(half, film, item.zone or "mid"), stretch=1.15)
    cloud = rise(np.float32(radius) - distance + half.texture * np.float32(0.012), 0.05)
    cover(half.pixels, cloud * lung_mask(half) * np.float32(0.92), 0.80)


def _draw_lesion(half: Half, film: Film, item: PhantomFinding) -> None:
    radius = LESION_RADIUS[item.severity or "mild"] * film.generator.uniform(0.93, 1.07)
    distance = _distance(half, _place(half, film, item.zone or "mid"), stretch=film.generator.uniform(0.88, 1.12))
    disc = rise(np.float32(radius) - distance + half.texture * np.float32(0.04 * radius), 1.5 * half.softness)
    cover(half.pixels, disc * np.float32(0.95), 0.90)


def _draw_plates(half: Half, film: Film, item: PhantomFinding) -> None:
    """Draw plate atelectasis: thin level bands, one or several of them."""
    num_plates = NUM_PLATES[item.severity or "mild"]
    a, y = _place(half, film, item.zone or "lower")
    along = half.a - np.float32(a)
    lung = lung_mask(half)
    for index in range(num_plates):
        slope, length, shift = film.generator.uniform((-0.15, 0.085, -0.015), (0.15, 0.11, 0.015))
        middle = np.float32(y + 0.042 * (index - (num_plates - 1) / 2)) + np.float32(slope) * along
        band = rise(np.float32(0.009) - np.abs(half.y - middle), half.softness)
        ends = rise(np.float32(length) - np.abs(along - np.float32(shift)), 0.04)
        cover(half.pixels, band * ends * lung, 0.78)


def _draw_pneumothorax(half: Half, film: Film, item: PhantomFinding) -> None:
    """Draw a black rim without vessels, and the bright line at the edge of the sunken lung."""
    gap = PNEUMOTHORAX_GAP[item.severity or "mild"]
    edge = chest_wall(half.y, film.scene.anatomy.apex_y + 0.9 * gap, float(half.outer.max()) - gap)
    beyond = rise(half.a - edge, half.softness)
    mask = lung_mask(half)
    add(half.pixels, (mask * (np.float32(1.0) - beyond)) * np.float32(0.6 * gap))
    cover(half.pixels, mask * beyond * np.float32(0.85), FREE_AIR)
    line = rise(np.float32(0.006) - np.abs(half.a - edge), half.softness)
    add(half.pixels, mask * line * np.float32(0.35))


def _draw_edema(half: Half, item: PhantomFinding) -> None:
    """Draw haze on both sides of the heart, densest near it, with coarse markings."""
    density = EDEMA_DENSITY[item.severity or "moderate"]
    haze = np.clip(np.float32(1.3) - np.float32(3.4) * np.abs(half.a - np.float32(0.10)), 0.4, 1.0)
    haze *= np.float32(density) + half.texture * np.float32(0.04 + 0.08 * density)
    cover(half.pixels, lung_mask(half) * haze, 0.68)


def draw_fluid(half: Half, scene: Scene) -> None:
    item = scene.get("pleural effusion")
    if item is None or not item.is_on(half.side):
        return
    level = FLUID_LEVEL[item.severity or "mild"]
    surface = half.dome_y + 0.02 - level - (0.10 + 0.2 * level) * half.depth**3
    mask = inside_chest(half) * rise(half.y - surface.astype(np.float32), 2 * half.softness)
    cover(half.pixels, mask * np.float32(0.95), FLUID)
