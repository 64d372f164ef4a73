"""The phantom: drawn chest radiographs with known findings, and reports written from them.

It is the data set when none is given, and the yardstick of the tests: what is drawn is known, so what a labeler reads
and what a model writes can be checked. It teaches no medicine.
"""

import numpy as np

from xr2text_core.data.study import Dataset, LeftOut, Study
from xr2text_core.drawing.drawing import draw_scene
from xr2text_core.drawing.scene import (
    DEVICES,
    Anatomy,
    PhantomFinding,
    Scene,
    SceneLabels,
    sample_scene,
    scene_labels,
)
from xr2text_core.drawing.writing import commonest_report, write_report

__all__ = [
    "DEVICES",
    "Anatomy",
    "PhantomFinding",
    "Scene",
    "SceneLabels",
    "commonest_report",
    "draw_image",
    "draw_scene",
    "named_scene",
    "read",
    "sample_scene",
    "scene_labels",
    "write_report",
]

PREFIX = "phantom:"
FIRST_NUMBER = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # the test set is the same however many are trained on


def named_scene(name: str) -> Scene:
    """Return the scene of an image name such as `phantom:0/17` (seed 0, number 17); ValueError if it is none."""
    seed, _, number = name.removeprefix(PREFIX).partition("/")
    if not (name.startswith(PREFIX) and seed.isdecimal() and number.isdecimal()):
        raise ValueError(f"not the name of a phantom image: {name!r}, expected phantom:SEED/NUMBER, as in phantom:0/17")
    return sample_scene(int(seed), int(number))


def draw_image(name: str, size: int) -> np.ndarray:
    """Draw the image `phantom:SEED/NUMBER` as uint8 (size, size), 0 black to 255 white."""
    return draw_scene(named_scene(name), size)


def read(num_train: int = 1280, num_val: int = 160, num_test: int = 300, seed: int = 0) -> Dataset:
    """Return the studies of a seed, one patient each; images are names, drawn only when `draw_image` is asked."""
    counts = {"train": num_train, "val": num_val, "test": num_test}
    studies = tuple(
        _study(seed, FIRST_NUMBER[split] + number, split) for split, count in counts.items() for number in range(count)
    )
    notes = ("The images are drawn and the reports are written by a program: nothing here describes a patient.",)
    return Dataset("phantom", f"{PREFIX}{seed}", studies, LeftOut(), notes)


def _study(seed: int, number: int, split: str) -> Study:
    scene = sample_scene(seed, number)
    return Study(
        study_id=f"phantom-{number:06d}",
        images=(f"{PREFIX}{seed}/{number}",),
        views=(scene.view,),
        report=write_report(scene),
        patient_id=f"phantom-patient-{number:06d}",
        split=split,
    )
