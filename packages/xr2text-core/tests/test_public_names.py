"""The public names of the package are there, and importing it stays light."""

import subprocess
import sys

import pytest

import xr2text_core


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, xr2text_core; assert not {'torch', 'numpy', 'transformers', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_the_object_it_stands_for() -> None:
    from xr2text_core.inference.trained import load_model
    from xr2text_core.settings.settings import Settings
    from xr2text_core.training.trainer import Trainer

    assert (xr2text_core.Settings, xr2text_core.Trainer, xr2text_core.load_model) == (Settings, Trainer, load_model)


def test_a_name_that_does_not_exist_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Trainr'"):
        xr2text_core.Trainr  # noqa: B018


def test_settings_of_a_data_set_come_from_its_preset() -> None:
    assert xr2text_core.Settings.of().preset == "phantom"
    laptop = xr2text_core.Settings.of(data="manifest", root="films", epochs=3)
    assert (laptop.preset, laptop.image_size, laptop.epochs) == ("laptop", 384, 3)
