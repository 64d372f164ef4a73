"""The film of a phantom scene, drawn with numpy: a few soft edges per structure, no loop over pixels.

Lengths are fractions of the image's side, grey values range from 0 (air, black) to 1 (metal, white) until the last
step. Each half of the chest is drawn on its own view of the film, in the distance from the midline `a` (H, W/2), so a
lung is described once and its edges are arrays of one value per row (H, 1) or per column (1, W/2).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from xr2text_core.data.phantom_scene import PhantomFinding, Scene

Array = np.ndarray

_DRAWING = 2  # purpose of `Scene.generator`

_TISSUE, _ABDOMEN, _LUNG, _HEART, _FLUID, _FREE_AIR, _METAL = 0.58, 0.70, 0.19, 0.76, 0.74, 0.03, 1.0

# Sizes of findings by severity, chosen well apart: neighbours differ by several pixels on a film of 96 pixels.
_HEART_RATIO = {"mild": 0.57, "moderate": 0.66, "severe": 0.77}
_MEDIASTINUM_HALF_WIDTH = {"mild": 0.095, "moderate": 0.130, "severe": 0.170}
_FLUID_LEVEL = {"mild": 0.00, "moderate": 0.14, "severe": 0.29}  # height above the dome of the diaphragm
_PNEUMOTHORAX_GAP = {"mild": 0.055, "moderate": 0.110, "severe": 0.180}
_CONSOLIDATION_RADIUS = {"mild": 0.050, "moderate": 0.080, "severe": 0.115}
_LESION_RADIUS = {"mild": 0.026, "severe": 0.056}
_NUM_PLATES = {"mild": 1, "moderate": 3}
_EDEMA_DENSITY = {"mild": 0.30, "moderate": 0.55, "severe": 0.85}
_DIAPHRAGM_RISE = {"mild": 0.07, "moderate": 0.14, "severe": 0.21}
_SPINE_CURVE = {"mild": 0.050, "moderate": 0.085, "severe": 0.120}
_HYPERINFLATION = {"mild": 0.55, "severe": 1.0}

_ZONE_HEIGHT = {"upper": 0.30, "mid": 0.56, "lower": 0.82}  # from the apex (0) to the dome (1)
_ZONE_DEPTH = {"upper": 0.56, "mid": 0.66, "lower": 0.68}  # from the midline (0) to the chest wall (1)

_GLYPHS = {  # rows of three pixels
    "A": ("010", "101", "111", "101", "101"),
    "P": ("110", "101", "110", "100", "100"),
    "R": ("110", "101", "110", "101", "101"),
}


@dataclass(frozen=True)
class _Film:
    """The picture in the making, and what every structure is measured against."""

    pixels: Array  # float32 (H, W), changed in place
    x: Array  # (1, W)
    y: Array  # (H, 1)
    centre: Array  # (H, 1): x of the midline
    texture: Array  # (H, W): smooth noise, standard deviation about 1
    scene: Scene
    generator: np.random.Generator

    @property
    def pixel(self) -> float:
        return 1.0 / self.pixels.shape[0]


@dataclass(frozen=True)
class _Half:
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


def draw_scene(scene: Scene, size: int) -> Array:
    """Draw a scene as uint8 (size, size), 0 black to 255 white. The patient's right is on the left of the image."""
    film = _blank_film(scene, size)
    for side in ("right", "left"):
        half = _half(film, side)
        _draw_lung(half)
        _draw_ribs(half, scene)
        for item in scene.findings:
            _draw_lung_finding(half, film, item)
        _draw_fluid(half, scene)
        _draw_clavicle_and_scapula(half, scene)
    _draw_heart_and_mediastinum(film)
    _draw_spine(film)
    _draw_airway(film)
    _darken_outside(film)
    if scene.devices:
        _draw_devices(film)
    _draw_markers(film)
    return _expose(film)


def _rise(distance: Array, softness: float) -> Array:
    """Return 0 well below zero distance, 1 well above, and a straight ramp of width `softness` between."""
    ramp = distance * np.float32(1.0 / softness)
    ramp += np.float32(0.5)
    return np.clip(ramp, 0.0, 1.0, out=ramp)


def _add(pixels: Array, values: Array) -> None:
    np.add(pixels, values, out=pixels)


def _cover(pixels: Array, mask: Array, value: float) -> None:
    pixels += mask * (np.float32(value) - pixels)


@lru_cache(maxsize=4)
def _noise_tile(size: int) -> Array:
    """Return smooth noise (2 size, 2 size) from which each film takes a window."""
    generator = np.random.default_rng(0)

    def layer(cells: int) -> Array:
        coarse = Image.fromarray(generator.standard_normal((cells, cells)).astype(np.float32))
        return np.asarray(coarse.resize((2 * size, 2 * size), Image.Resampling.BICUBIC))

    tile = layer(24) + 0.8 * layer(64) + 0.6 * layer(128)
    return (tile / tile.std()).astype(np.float32)


@lru_cache(maxsize=4)
def _grain_tile(size: int) -> Array:
    return np.random.default_rng(1).standard_normal((2 * size, 2 * size)).astype(np.float32)


def _window(tile: Array, size: int, generator: np.random.Generator) -> Array:
    top, left = generator.integers(size, size=2)
    return tile[top : top + size, left : left + size]


def _blank_film(scene: Scene, size: int) -> _Film:
    generator = scene.generator(_DRAWING)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = steps[None, :], steps[:, None]
    return _Film(
        pixels=np.full((size, size), _TISSUE, np.float32),
        x=x,
        y=y,
        centre=np.float32(scene.anatomy.centre_x) + np.float32(scene.anatomy.tilt) * (y - 0.5),
        texture=_window(_noise_tile(size), size, generator),
        scene=scene,
        generator=generator,
    )


# --- lungs -----------------------------------------------------------------------------------------------------------


def _half(film: _Film, side: str) -> _Half:
    anatomy, sign = film.scene.anatomy, -1.0 if side == "right" else 1.0
    middle = round(anatomy.centre_x * film.pixels.shape[1])
    columns = slice(None, middle) if side == "right" else slice(middle, None)
    width = anatomy.half_width * _turn(film.scene, side)
    depth = np.clip((film.x[:, columns] - anatomy.centre_x) * sign / width, 0.0, 1.3).astype(np.float32)
    dome_y = _dome_y(film.scene, side)
    return _Half(
        side=side,
        pixels=film.pixels[:, columns],
        texture=film.texture[:, columns],
        a=(film.x[:, columns] - film.centre) * np.float32(sign),
        y=film.y,
        outer=_chest_wall(film.y, anatomy.apex_y, width),
        floor=_floor(depth, dome_y, film.scene),
        dome_y=dome_y,
        depth=depth,
        softness=max(0.012, 1.2 * film.pixel),
    )


def _chest_wall(y: Array, apex_y: float, width: float) -> Array:
    """Return the distance of the chest wall from the midline per row: none at the apex, `width` at the base."""
    descent = np.clip((y - apex_y) / (0.86 - apex_y), 0.0, 1.0)
    return (width * np.sqrt(1.0 - (1.0 - descent) ** 3)).astype(np.float32)


def _turn(scene: Scene, side: str) -> float:
    """A rotated patient shows one half of the chest wider than the other."""
    return 1.0 if scene.rotated is None else (1.10 if scene.rotated == side else 0.84)


def _inflation(scene: Scene) -> float:
    """Return 0 for a usual breath, up to 1 for hyperinflated lungs and below 0 for low volumes."""
    item = scene.get("hyperinflation")
    if item:
        return _HYPERINFLATION[item.severity or "severe"]
    return -0.8 if scene.get("low lung volumes") else 0.0


def _dome_y(scene: Scene, side: str) -> float:
    dome_y = scene.anatomy.dome_y + (0.02 if side == "left" else 0.0)
    dome_y += 0.14 * _inflation(scene)
    item = scene.get("elevated diaphragm")
    if item and item.is_on(side):
        dome_y -= _DIAPHRAGM_RISE[item.severity or "mild"] + (0.03 if side == "left" else 0.0)
    return dome_y


def _floor(depth: Array, dome_y: float, scene: Scene) -> Array:
    """Return the outline of the diaphragm: a dome with a deep lateral angle, flat in hyperinflated lungs."""
    lateral = np.clip((depth - 0.45) / 0.55, 0.0, 1.0) ** 2
    medial = np.clip((0.45 - depth) / 0.45, 0.0, 1.0) ** 1.5
    # Towards the midline both domes meet at the same height, however high one of them stands.
    medial_drop = max(scene.anatomy.dome_y + 0.14 * _inflation(scene) - dome_y, 0.0) + 0.03
    flatness = 1.0 - 0.75 * max(_inflation(scene), 0.0)
    return (dome_y + flatness * (0.13 * lateral + medial_drop * medial)).astype(np.float32)


def _inside_chest(half: _Half) -> Array:
    return _rise(half.outer - half.a, half.softness)


def _lung_mask(half: _Half) -> Array:
    return _inside_chest(half) * _rise(half.floor - half.y, half.softness)


def _draw_lung(half: _Half) -> None:
    below = _rise(half.y - half.floor, half.softness) * _rise(half.outer - half.a, 0.04)
    _add(half.pixels, below * np.float32(_ABDOMEN - _TISSUE))
    # Vessels: noise that is strongest at the hilum and fades towards the chest wall.
    hilum_y = half.dome_y - 0.26
    away = np.square(half.a - 0.09) * np.float32(40.0) + np.square(half.y - hilum_y) * np.float32(25.0)
    vessels = np.float32(1.0) / (np.float32(1.0) + away)
    lung = vessels * (half.texture * np.float32(0.05) + np.float32(0.16)) + np.float32(_LUNG)
    _add(half.pixels, _lung_mask(half) * (lung - half.pixels))


def _draw_ribs(half: _Half, scene: Scene) -> None:
    """Draw the posterior ribs, falling gently towards the side, and the fainter anterior ones, falling steeply inward."""
    # The abdomen is dense: ribs hardly show through it.
    inside = _inside_chest(half) * (np.float32(0.03) + np.float32(0.08) * _rise(half.floor - half.y, 0.03))
    spacing = scene.anatomy.rib_spacing
    posterior = (half.y - (scene.anatomy.apex_y + 0.16 * half.depth**2)) / np.float32(spacing)
    _add(half.pixels, inside * _stripes(posterior))
    anterior = (half.y - (scene.anatomy.apex_y + 0.30 * (1.0 - half.depth))) / np.float32(1.25 * spacing)
    _add(half.pixels, inside * np.float32(0.45) * _stripes(anterior))


def _stripes(phase: Array) -> Array:
    """Return bright bands where the phase is near a half, dark gaps where it is near a whole number."""
    distance = np.abs(phase - np.floor(phase) - np.float32(0.5))
    return _rise(np.float32(0.24) - distance, 0.2)


def _draw_clavicle_and_scapula(half: _Half, scene: Scene) -> None:
    top = scene.anatomy.apex_y + (0.03 if scene.view == "AP" else 0.065)
    line = top - (0.02 if scene.view == "AP" else 0.10) * half.depth
    clavicle = _rise(np.float32(0.014) - np.abs(half.y - line), half.softness)
    _add(half.pixels, clavicle * (_rise(half.depth - 0.12, 0.1) * np.float32(0.16)))
    if scene.view == "AP":  # arms hang down: the shoulder blades lie over the lungs
        inner_edge = np.float32(0.66) + np.float32(0.75) * np.abs(half.y - np.float32(0.24))
        outer_edge = np.float32(1.10) - np.maximum(half.y - np.float32(0.30), 0.0)
        blade = _rise(half.depth - inner_edge, 0.05) * _rise(outer_edge - half.depth, 0.05)
        _add(half.pixels, blade * _rise(0.48 - half.y, 0.05) * np.float32(0.12))


# --- findings in a lung ----------------------------------------------------------------------------------------------


def _draw_lung_finding(half: _Half, film: _Film, item: PhantomFinding) -> None:
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
        _add(half.pixels, _lung_mask(half) * np.float32(-(0.05 + 0.05 * _HYPERINFLATION[item.severity or "severe"])))


def _place(half: _Half, film: _Film, zone: str) -> tuple[float, float]:
    """Return where in a zone a finding sits: its distance from the midline and its y, a little different each time."""
    apex_y = film.scene.anatomy.apex_y
    y = apex_y + (_ZONE_HEIGHT[zone] + film.generator.uniform(-0.04, 0.04)) * (half.dome_y - apex_y)
    row = min(int(y / film.pixel), len(half.outer) - 1)
    return float(half.outer[row, 0]) * (_ZONE_DEPTH[zone] + film.generator.uniform(-0.05, 0.05)), float(y)


def _distance(half: _Half, place: tuple[float, float], stretch: float = 1.0) -> Array:
    """Return the distance from a place, in which a vertical step counts `stretch` times."""
    return np.sqrt(np.square(half.a - np.float32(place[0])) + np.square((half.y - np.float32(place[1])) * stretch))


def _draw_consolidation(half: _Half, film: _Film, item: PhantomFinding) -> None:
    radius = _CONSOLIDATION_RADIUS[item.severity or "moderate"] * film.generator.uniform(0.93, 1.07)
    distance = _distance(half, _place(half, film, item.zone or "mid"), stretch=1.15)
    cloud = _rise(np.float32(radius) - distance + half.texture * np.float32(0.012), 0.05)
    _cover(half.pixels, cloud * _lung_mask(half) * np.float32(0.9), 0.74)


def _draw_lesion(half: _Half, film: _Film, item: PhantomFinding) -> None:
    radius = _LESION_RADIUS[item.severity or "mild"] * film.generator.uniform(0.93, 1.07)
    distance = _distance(half, _place(half, film, item.zone or "mid"), stretch=film.generator.uniform(0.88, 1.12))
    disc = _rise(np.float32(radius) - distance + half.texture * np.float32(0.04 * radius), 1.5 * half.softness)
    _cover(half.pixels, disc * np.float32(0.95), 0.82)


def _draw_plates(half: _Half, film: _Film, item: PhantomFinding) -> None:
    """Draw plate atelectasis: thin level bands, one or several of them."""
    num_plates = _NUM_PLATES[item.severity or "mild"]
    a, y = _place(half, film, item.zone or "lower")
    along = half.a - np.float32(a)
    lung = _lung_mask(half)
    for index in range(num_plates):
        slope, length, shift = film.generator.uniform((-0.15, 0.085, -0.015), (0.15, 0.11, 0.015))
        middle = np.float32(y + 0.042 * (index - (num_plates - 1) / 2)) + np.float32(slope) * along
        band = _rise(np.float32(0.009) - np.abs(half.y - middle), half.softness)
        ends = _rise(np.float32(length) - np.abs(along - np.float32(shift)), 0.04)
        _cover(half.pixels, band * ends * lung, 0.78)


def _draw_pneumothorax(half: _Half, film: _Film, item: PhantomFinding) -> None:
    """Draw a black rim without vessels, and the bright line at the edge of the sunken lung."""
    gap = _PNEUMOTHORAX_GAP[item.severity or "mild"]
    edge = _chest_wall(half.y, film.scene.anatomy.apex_y + 0.9 * gap, float(half.outer.max()) - gap)
    beyond = _rise(half.a - edge, half.softness)
    mask = _lung_mask(half)
    _add(half.pixels, (mask * (np.float32(1.0) - beyond)) * np.float32(0.6 * gap))
    _cover(half.pixels, mask * beyond * np.float32(0.85), _FREE_AIR)
    line = _rise(np.float32(0.006) - np.abs(half.a - edge), half.softness)
    _add(half.pixels, mask * line * np.float32(0.35))


def _draw_edema(half: _Half, item: PhantomFinding) -> None:
    """Draw haze on both sides of the heart, densest near it, with coarse markings."""
    density = _EDEMA_DENSITY[item.severity or "moderate"]
    haze = np.clip(np.float32(1.3) - np.float32(3.4) * np.abs(half.a - np.float32(0.10)), 0.4, 1.0)
    haze *= np.float32(density) + half.texture * np.float32(0.04 + 0.08 * density)
    _cover(half.pixels, _lung_mask(half) * haze, 0.68)


def _draw_fluid(half: _Half, scene: Scene) -> None:
    item = scene.get("pleural effusion")
    if item is None or not item.is_on(half.side):
        return
    level = _FLUID_LEVEL[item.severity or "mild"]
    surface = half.dome_y + 0.02 - level - (0.10 + 0.2 * level) * half.depth**3
    mask = _inside_chest(half) * _rise(half.y - surface.astype(np.float32), 2 * half.softness)
    _cover(half.pixels, mask * np.float32(0.95), _FLUID)


# --- the middle of the chest -----------------------------------------------------------------------------------------


def _draw_spine(film: _Film) -> None:
    item = film.scene.get("scoliosis")
    curve = np.zeros_like(film.y)
    if item:
        sign = -1.0 if item.side == "right" else 1.0
        curve = np.float32(sign * _SPINE_CURVE[item.severity or "mild"]) * np.sin(np.pi * (film.y - 0.06) / 0.84)
    away = np.abs(film.x - (film.centre + curve))
    discs = np.float32(0.85) + np.float32(0.15) * np.sign(np.sin(film.y * np.float32(105.0)))
    spine = _rise(np.float32(0.036) - away, max(0.015, film.pixel)) * discs
    _cover(film.pixels, spine * np.float32(0.55 if item else 0.25), 0.88)


def _draw_heart_and_mediastinum(film: _Film) -> None:
    """Draw both as one silhouette whose left and right edges are given per row."""
    anatomy, y = film.scene.anatomy, film.y
    wide = film.scene.get("enlarged cardiomediastinum")
    vessels = np.full_like(y, 0.052) + 0.09 * np.clip((anatomy.apex_y + 0.03 - y) / 0.1, 0.0, 1.0)
    bulge = np.exp(-np.square((y - (anatomy.apex_y + 0.19)) / 0.16))
    if wide:
        vessels = vessels + (_MEDIASTINUM_HALF_WIDTH[wide.severity or "mild"] - 0.052) * bulge
    knob = 0.022 * np.exp(-np.square((y - (anatomy.apex_y + 0.19)) / 0.035))
    right, left = _heart_edges(film)
    shift = np.float32({"right": -0.02, "left": 0.02}.get(film.scene.rotated or "", 0.0))
    d = film.x - film.centre - shift
    softness = max(0.018, 1.2 * film.pixel)
    mask = _rise(d + np.maximum(vessels, right).astype(np.float32), softness)
    mask *= _rise(np.maximum(vessels + knob, left).astype(np.float32) - d, softness)
    # Less dense above the heart, so that the spine and the airway show through.
    strength = 0.6 + 0.32 * np.clip((y - anatomy.apex_y - 0.22) / 0.2, 0.0, 1.0)
    if wide:
        strength = np.maximum(strength, 0.8 * bulge)
    _cover(film.pixels, mask * strength.astype(np.float32), _HEART)


def _heart_edges(film: _Film) -> tuple[Array, Array]:
    """Return how far the heart reaches to the right and to the left of the midline, per row (H, 1)."""
    scene, item = film.scene, film.scene.get("cardiomegaly")
    ratio = scene.anatomy.heart_ratio * (1.0 - 0.22 * max(_inflation(scene), 0.0))
    if item:
        ratio = _HEART_RATIO[item.severity or "mild"] + film.generator.uniform(-0.015, 0.015)
    width = 2.0 * ratio * scene.anatomy.half_width
    bottom = scene.anatomy.dome_y + 0.14 * _inflation(scene) + 0.07
    top = bottom - 0.34 - 0.15 * max(ratio - 0.45, 0.0)
    descent = np.clip((film.y - top) / (bottom - top), 0.0, 1.0)
    right = 0.36 * width * np.sqrt(np.clip(np.sin(np.pi * descent), 0.0, 1.0))
    left = 0.64 * width * np.clip(np.sin(np.pi * descent**1.6), 0.0, 1.0) ** 0.8
    return right, left


def _draw_airway(film: _Film) -> None:
    rows = slice(None, round(0.40 / film.pixel))
    away = np.abs(film.x - film.centre[rows])
    fade = np.clip((0.38 - film.y[rows]) / 0.06, 0.0, 1.0)
    _add(film.pixels[rows], _rise(np.float32(0.016) - away, 0.015) * fade * np.float32(-0.14))


def _darken_outside(film: _Film) -> None:
    """Leave air around the neck and beside the chest."""
    shoulder = np.clip((film.y - 0.02) / 0.16, 0.0, 1.0)
    arm = 0.14 + 0.42 * np.sqrt(shoulder) - 0.10 * np.clip((film.y - 0.35) / 0.3, 0.0, 1.0)
    body = _rise(arm.astype(np.float32) - np.abs(film.x - film.centre), 0.03)
    np.multiply(film.pixels, body, out=film.pixels)


# --- devices, markers, exposure --------------------------------------------------------------------------------------


def _draw_devices(film: _Film) -> None:
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
    _cover(film.pixels, mask * np.float32(0.9), _METAL)


def _draw_markers(film: _Film) -> None:
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


def _expose(film: _Film) -> Array:
    anatomy, pixels = film.scene.anatomy, film.pixels
    pixels += _window(_grain_tile(len(pixels)), len(pixels), film.generator) * np.float32(anatomy.noise)
    pixels *= np.float32(255.0 * anatomy.contrast)
    pixels += np.float32(255.0 * (anatomy.brightness + 0.45 * (1.0 - anatomy.contrast)))
    return np.clip(pixels, 0.0, 255.0, out=pixels).astype(np.uint8)
