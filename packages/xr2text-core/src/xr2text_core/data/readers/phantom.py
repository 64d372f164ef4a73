"""The phantom: drawn chest radiographs with known findings, and reports written from them.

It is the default data set, and the oracle of the tests: what is drawn is known, so labels and generated reports can be
checked. It teaches no medicine.
"""

from dataclasses import replace

from xr2text_core.data.study import Dataset, LeftOut, Prior, Study
from xr2text_core.drawing.desk import sample_desk
from xr2text_core.drawing.desk_writing import write_desk_report, write_indication
from xr2text_core.drawing.names import LATERAL, PREFIX, PRIOR, image_name
from xr2text_core.drawing.scene import sample_scene
from xr2text_core.drawing.writing import write_report

FIRST_NUMBER = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # the test set is the same however many are trained on


def read(num_train: int = 1280, num_val: int = 160, num_test: int = 300, seed: int = 0, desk: bool = False) -> Dataset:
    """Return the studies of a seed, one patient each; images are names, drawn only by `draw_image`.

    `desk`: about two in three have a lateral film, two in three an indication, and two in three a last study.
    """
    counts = {"train": num_train, "val": num_val, "test": num_test}
    study_of = _desk_study if desk else _study
    studies = tuple(
        study_of(seed, FIRST_NUMBER[split] + number, split)
        for split, count in counts.items()
        for number in range(count)
    )
    notes = ("The images are drawn and the reports are written by a program: nothing here describes a patient.",)
    return Dataset("phantom", f"{PREFIX}{seed}", studies, LeftOut(), notes)


def _study(seed: int, number: int, split: str) -> Study:
    scene = sample_scene(seed, number)
    return Study(
        study_id=f"phantom-{number:06d}",
        images=(image_name(seed, number),),
        views=(scene.view,),
        report=write_report(scene),
        patient_id=f"phantom-patient-{number:06d}",
        split=split,
    )


def _desk_study(seed: int, number: int, split: str) -> Study:
    desk = sample_desk(seed, number)
    study = _study(seed, number, split)
    lateral = (image_name(seed, number, LATERAL),) if desk.has_lateral else ()
    prior = desk.prior
    return replace(
        study,
        images=study.images + lateral,
        views=study.views + ("lateral",) * len(lateral),
        report=write_desk_report(desk),
        indication=write_indication(desk),
        prior=Prior(image_name(seed, number, PRIOR), write_desk_report(prior), float(desk.days)) if prior else None,
    )
