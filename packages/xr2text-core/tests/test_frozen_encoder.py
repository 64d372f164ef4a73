"""A run with --freeze-encoder trains all but its encoder, and an interruption does not change that."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from xr2text_core.model.weights import INSIDE_OURS
from xr2text_core.run.checkpoint import Checkpoint, load_checkpoint
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.changes import changes, refusal
from xr2text_core.training.trainer import Trainer

TINY = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--batch", "4", "--epochs", "2"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bare weights with batch normalisation, whose statistics are part of them."""
    file = tmp_path_factory.mktemp("encoder") / "test_resnet.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", in_chans=1, num_classes=0).state_dict(), file)
    return file


def trainer(folder: Path, encoder: Path, *flags: str) -> Trainer:
    given = ["--encoder", str(encoder), "--pretrained", "encoder", "--out", str(folder), *flags]
    return Trainer(settings_of(parse_arguments([*TINY, *given])))


def final(folder: Path) -> Checkpoint:
    return load_checkpoint(folder / "checkpoints/final_model.pt")


def test_a_run_changes_all_but_a_frozen_encoder_also_when_it_is_interrupted(encoder: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert trainer(whole, encoder, "--freeze-encoder").fit() == 0
    first = trainer(broken, encoder, "--freeze-encoder")
    before = {name: tensor.clone() for name, tensor in first.parts.model.state_dict().items()}
    show = first._show

    def show_then_stop(*arguments: Any) -> None:
        show(*arguments)
        if first.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    first._show = show_then_stop  # type: ignore[method-assign]
    assert first.fit() == 128 + signal.SIGTERM
    assert trainer(broken, encoder, "--freeze-encoder").fit() == 0
    after, source = final(whole).model, torch.load(encoder)
    assert all(torch.equal(after[name], tensor) for name, tensor in final(broken).model.items())
    frozen = {name.removeprefix(INSIDE_OURS): tensor for name, tensor in after.items() if name.startswith(INSIDE_OURS)}
    assert frozen and all(torch.equal(tensor, source[name]) for name, tensor in frozen.items())
    trained = [name for name in before if name.endswith("weight") and not name.startswith(INSIDE_OURS)]
    assert not any(torch.equal(before[name], after[name]) for name in trained if "layers.0" in name)


def test_a_frozen_encoder_has_no_moments_and_is_not_thawed_by_a_resume(encoder: Path, tmp_path: Path) -> None:
    run = trainer(tmp_path, encoder, "--freeze-encoder")
    in_optimizer = {id(each) for group in run.parts.optimizer.param_groups for each in group["params"]}
    images = run.parts.model.encoder.images
    assert not in_optimizer & {id(parameter) for parameter in images.parameters()}
    assert not any(module.training for module in images.modules())
    thawed = settings_of(parse_arguments([*TINY, "--encoder", str(encoder), "--pretrained", "encoder"]))
    old = {**vars(run.settings)}
    assert "--freeze-encoder" in refusal(changes(old, thawed), is_asked_for=True)
