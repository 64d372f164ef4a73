"""With --cache-tokens a run trains on what its frozen encoder sees, from the disk, and is otherwise the same run."""

import logging
import os
import signal
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from accelerate import Accelerator
from transformers import Dinov2Config, Dinov2Model

from xr2text_core import evaluate, export
from xr2text_core.checks.survey import all_checks
from xr2text_core.data import batches as batches_module
from xr2text_core.data.augment import to_float
from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.data.images import cache_files
from xr2text_core.data.study import DatasetError
from xr2text_core.doctor import image_caches
from xr2text_core.inference.trained import load_model
from xr2text_core.model.encoder import LARGEST_GRID, pooled
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.run.checkpoint import load_checkpoint
from xr2text_core.run.folder import RunError
from xr2text_core.run.history import read_rows
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.changes import changes, refusal
from xr2text_core.settings.settings import Settings
from xr2text_core.training.first_fit import encode_films
from xr2text_core.training.step import Stepper
from xr2text_core.training.trainer import Trainer

TINY = ["--num-studies", "24", "--val-studies", "4", "--batch", "4", "--epochs", "2", "--pretrained", "encoder"]
CACHED = ["--freeze-encoder", "--cache-tokens"]
ONE_IN_FP16 = 2e-3  # of a value: twice the rounding of FP16


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bare weights of a network with batch normalisation."""
    file = tmp_path_factory.mktemp("encoder") / "test_resnet.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", in_chans=1, num_classes=0).state_dict(), file)
    return str(file)


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny DINOv2 as transformers saves it, whose 19 x 19 tokens at 76 px are pooled."""
    folder = tmp_path_factory.mktemp("dinov2")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 76, "patch_size": 4}
    Dinov2Model(Dinov2Config(**sizes)).save_pretrained(folder)
    return str(folder)


def settings(folder: Path, encoder: str, *flags: str, size: int = 64) -> Settings:
    given = ["--encoder", encoder, "--image-size", str(size), "--out", str(folder), *flags]
    return settings_of(parse_arguments([*TINY, *given]))


def train(folder: Path, encoder: str, *flags: str, size: int = 64) -> Trainer:
    trainer = Trainer(settings(folder, encoder, *flags, size=size))
    assert trainer.fit() == 0
    return trainer


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "checkpoints/final_model.pt").model


def losses(trainer: Trainer) -> list[float]:
    return [float(row[name]) for row in read_rows(trainer.folder.history) for name in ("train_loss", "val_loss")]


def count_encoded(trainer: Trainer) -> dict[bool, int]:
    """Films that pass the backbone from here on, by whether the model is in train mode."""
    counts = {True: 0, False: 0}

    def count(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        counts[trainer.model.training] += len(inputs[0])

    trainer.model.encoder.images.register_forward_pre_hook(count)
    return counts


def test_training_never_asks_the_encoder_and_validation_always_does(resnet: str, tmp_path: Path) -> None:
    trainer = Trainer(settings(tmp_path, resnet, *CACHED))
    counts = count_encoded(trainer)
    assert trainer.fit() == 0
    assert counts[True] == 0 and counts[False] > 0


@pytest.mark.parametrize(("encoder", "size", "views"), [("resnet", 64, "all"), ("dinov2", 76, "frontal")])
def test_the_losses_are_those_of_a_frozen_encoder_without_augmentation(
    encoder: str, size: int, views: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flags = request.getfixturevalue(encoder), ["--freeze-encoder", "--views", views]
    found = losses(train(tmp_path / "cached", path, *flags, "--cache-tokens", size=size))
    monkeypatch.setattr(batches_module, "augment", lambda films, _: to_float(films))
    plain = Trainer(settings(tmp_path / "plain", path, *flags, size=size))
    plain.model.freeze(0, whole=True, is_cached=True)
    assert plain.fit() == 0
    assert found == pytest.approx(losses(plain), rel=ONE_IN_FP16)


def test_a_run_that_is_interrupted_ends_with_the_same_weights(resnet: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = (*CACHED, "--views", "all")
    train(whole, resnet, *flags)
    first = Trainer(settings(broken, resnet, *flags))
    show = first._show

    def show_then_stop(*arguments: Any) -> None:
        show(*arguments)
        if first.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    first._show = show_then_stop  # type: ignore[method-assign]
    assert first.fit() == 128 + signal.SIGTERM
    again = Trainer(settings(broken, resnet, *flags))
    counts = count_encoded(again)
    assert again.fit() == 0 and counts[True] == 0
    assert all(torch.equal(weights(whole)[name], tensor) for name, tensor in weights(broken).items())


@pytest.fixture
def frozen(two_film_model: XR2TextModel) -> XR2TextModel:
    two_film_model.freeze(0, whole=True)
    return two_film_model


@pytest.fixture
def cached(frozen: XR2TextModel, two_films: BatchMaker) -> BatchMaker:
    """Batches of both films with the tokens of the frozen encoder."""
    return replace(two_films, tokens=encode_films(frozen, Accelerator(cpu=True), two_films, lambda: None))


def in_doubles(batch: Batch) -> Batch:
    return replace(batch, images=batch.images.double(), finding_labels=batch.finding_labels.double())


def weights_after_a_step(model: XR2TextModel, batch: Batch, micro_batch: int) -> dict[str, torch.Tensor]:
    accelerator = Accelerator(cpu=True)
    optimizer = accelerator.prepare(torch.optim.SGD([each for each in model.parameters() if each.requires_grad], 0.1))
    Stepper(accelerator, model, optimizer, 1.0, 0).take_step(batch, micro_batch, 3)
    return model.state_dict()


def test_halving_is_exact_with_cached_tokens(frozen: XR2TextModel, cached: BatchMaker) -> None:
    batch = in_doubles(cached.training(range(7), epoch=1))
    assert batch.is_film is not None and not batch.is_film.all() and batch.features is not None
    model = frozen.double().eval()
    whole = weights_after_a_step(deepcopy(model), batch, 7)
    for micro_batch in (4, 2, 1):
        halved = weights_after_a_step(deepcopy(model), batch, micro_batch)
        assert all(torch.allclose(tensor, whole[name], rtol=0, atol=1e-9) for name, tensor in halved.items())


def test_what_is_read_in_cached_tokens_is_what_is_read_in_the_films(frozen: XR2TextModel, cached: BatchMaker) -> None:
    model, batch = frozen.eval(), cached.training(range(8), epoch=1)
    with torch.no_grad():
        ours = model.encoder(batch.images, batch.is_film, features=batch.features)
        theirs = model.encoder(batch.images, batch.is_film)
    for name in ("last_hidden_state", "finding_logits", "region_attention", "film_features"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=ONE_IN_FP16, atol=ONE_IN_FP16)


def test_cached_tokens_are_of_the_films_of_their_study_also_where_one_is_lost(
    frozen: XR2TextModel, cached: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    lateral = cached.studies.images[4][1]
    monkeypatch.setitem(cached.cache.unreadable, lateral, "lost")
    batch = cached.training([4, 2, 7, 5], epoch=1)
    with torch.no_grad():
        theirs = frozen.eval().encoder(batch.images, batch.is_film).film_features
    assert batch.is_film is not None and batch.features is not None
    assert not batch.is_film[list(batch.studies).index(4), 1]
    torch.testing.assert_close(batch.features.float().mean(2), theirs, rtol=ONE_IN_FP16, atol=ONE_IN_FP16)


def test_pooling_keeps_places_and_the_mean() -> None:
    side, old = LARGEST_GRID, 37
    across = torch.arange(old).add(0.5).div(old).repeat(old).view(1, -1, 1)  # x of each token
    down = across.view(old, old).T.reshape(1, -1, 1)
    found = pooled(torch.cat([across, down], 2), side).view(side, side, 2)
    centres = torch.arange(side).add(0.5).div(side)
    torch.testing.assert_close(found[3, :, 0], centres, rtol=0, atol=0.1 / old)  # a tenth of a token
    torch.testing.assert_close(found[:, 3, 1], centres, rtol=0, atol=0.1 / old)
    few = torch.rand(2, 9, 4)
    assert pooled(few, side) is few
    many = torch.rand(2, old * old, 4)
    torch.testing.assert_close(pooled(many, side).mean(1), many.mean(1))


def test_a_pooled_model_is_scored_and_exported_as_it_was_trained(dinov2: str, tmp_path: Path) -> None:
    trainer = train(tmp_path, dinov2, *CACHED, size=76)
    best = tmp_path / "checkpoints/best_model.pt"
    assert evaluate.main(["--checkpoint", str(best), "--num-studies", "4"]) == 0
    assert export.main(["--checkpoint", str(best), "--out", str(tmp_path / "exported")]) == 0
    ours, exported = load_model(best).model, XR2TextModel.from_pretrained(tmp_path / "exported").eval()
    batch = trainer.parts.val_batches.plain(range(2))
    with torch.no_grad():
        seen, theirs = ours.encoder(batch.images), exported.encoder(batch.images)
    assert seen.region_attention.shape[-1] == LARGEST_GRID**2
    torch.testing.assert_close(theirs.last_hidden_state, seen.last_hidden_state)


def test_runs_share_tokens_and_other_weights_have_their_own(
    resnet: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def encoded(encoder: str, run: str) -> str:
        caplog.clear()
        logging.getLogger("xr2text_core").propagate = True
        trainer = Trainer(settings(tmp_path, encoder, *CACHED, "--run", run))
        assert trainer.parts.batches.tokens is not None
        return trainer.parts.batches.tokens.path.name

    other = tmp_path / "test_resnet.pth"
    state = torch.load(resnet)
    state["layer1.0.bn1.running_mean"] += 1e-3
    torch.save(state, other)
    first, second, third = encoded(resnet, "a"), encoded(resnet, "b"), encoded(str(other), "c")
    assert first == second != third
    listed = [line for line in image_caches(tmp_path) if "tokens of a frozen encoder" in line]
    assert len(listed) == 2 and first in " ".join(listed)


def test_the_console_says_the_size_before_and_that_nothing_is_augmented(
    resnet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(settings(tmp_path, resnet, *CACHED))
    out = capsys.readouterr()
    said = out.out + out.err
    assert "Encoding 24 of 24 films once: 4 tokens of 96 values each, 0.0 MB in" in said
    assert "training augments nothing" in said


def test_a_full_disk_is_one_clear_error(resnet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trainer(settings(tmp_path, resnet, "--freeze-encoder", "--run", "decoded"))  # its images are decoded already
    monkeypatch.setattr(cache_files, "check_room", lambda *_: None)
    monkeypatch.setattr("xr2text_core.data.images.tokens.check_room", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(DatasetError, match=r"cannot cache tokens in .*: full\. Free space.*leave --cache-tokens out"):
        Trainer(settings(tmp_path, resnet, *CACHED, "--run", "cached"))


def test_preflight_counts_tokens_and_the_time_to_encode_them_once(dinov2: str, tmp_path: Path) -> None:
    planned = settings(tmp_path, dinov2, *CACHED, "--device", "cpu", size=76)
    before = all_checks(planned, None, False, lambda _: None)
    assert ", tokens 1 MB" in next(check.found for check in before.checks if check.name == "disk")
    assert before.time is not None and before.time.encoding_s > 0
    Trainer(planned)
    after = all_checks(planned, None, False, lambda _: None)
    assert "tokens" not in next(check.found for check in after.checks if check.name == "disk")
    assert after.time is not None and after.time.encoding_s == 0


def test_wrong_combinations_are_one_clear_error(resnet: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--cache-tokens keeps what a frozen encoder sees: add --freeze-encoder"):
        settings(tmp_path, resnet, "--cache-tokens")
    frozen, cached = (settings(tmp_path, resnet, *flags) for flags in (["--freeze-encoder"], CACHED))
    for old, new in ((frozen, cached), (cached, frozen)):
        assert "--cache-tokens" in refusal(changes(vars(old), new), is_asked_for=True)


def test_a_run_from_old_weights_reads_the_tokens_of_their_encoder(resnet: str, tmp_path: Path) -> None:
    train(tmp_path, resnet, "--encoder-rate", "1e-2", "--run", "old")
    old = str(tmp_path / "checkpoints/old/best_model.pt")
    new = Trainer(settings(tmp_path, resnet, *CACHED, "--run", "new", "--init", old))
    batch = new.parts.batches.training(range(4), epoch=1)
    assert batch.features is not None
    with torch.no_grad():
        theirs = load_model(old).model.encoder(batch.images).film_features
    torch.testing.assert_close(batch.features.float().mean(2), theirs, rtol=ONE_IN_FP16, atol=ONE_IN_FP16)
