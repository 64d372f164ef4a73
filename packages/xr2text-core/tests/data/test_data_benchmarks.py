"""The timing commands of the cache and of the start still fit the code that they time."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from xr2text_core.data.images.decode import read_image
from xr2text_core.data.readers import manifest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_way_to_read_an_image_that_is_timed_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speed = load("cache_speed")
    for name, value in {"WIDTH": 50, "HEIGHT": 60, "SIZE": 32}.items():
        monkeypatch.setattr(speed, name, value)
    films = speed.make_films(tmp_path, tmp_path / "no images here: phantoms are drawn", 2)
    readers = speed.Readers(films, tmp_path, 8)
    assert set(speed.measure(speed.works_of(readers), rounds=1)) >= {speed.PILLOW, speed.WARM}
    expected = [read_image(films[row % 2], 32) for row in range(8)]
    assert (readers.warm_cache.images(readers.names) == np.stack(expected)).all()


def test_the_share_of_a_batch_in_a_step_is_measured(tmp_path: Path) -> None:
    batch_ms, plain_ms, step_ms = load("cache_speed").step_shares(tmp_path, "phantom", num_studies=2, rounds=1)
    assert min(batch_ms, plain_ms, step_ms) >= 0


def test_the_data_set_of_the_start_has_as_many_distinct_images_and_reports_as_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = load("startup_speed")
    monkeypatch.setattr(start, "NUM_SCENES", 3)
    start.make_data_set(tmp_path, 8)
    studies = manifest.read(tmp_path).studies
    assert [len({getattr(study, name) for study in studies}) for name in ("report", "images")] == [8, 8]


def test_a_first_step_is_one_that_status_json_tells_the_loss_of(tmp_path: Path) -> None:
    has_stepped, status = load("startup_speed").has_stepped, tmp_path / "status.json"
    assert not has_stepped(status)
    for fields in ({"state": "caching"}, {"state": "training", "step": 0}, {"state": "saving", "loss": 1.0}):
        status.write_text(json.dumps(fields))
        assert not has_stepped(status)
    status.write_text(json.dumps({"state": "training", "step": 1, "loss": 1.0}))
    assert has_stepped(status)
