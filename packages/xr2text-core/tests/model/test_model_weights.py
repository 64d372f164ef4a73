"""Each half says where its weights come from; every weight arrives as it is, or one error says what to do."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from torch import Tensor, nn

from xr2text_core.model import weights as weights_module
from xr2text_core.model.build import build_model, load_tokenizer
from xr2text_core.model.encoder import create_backbone
from xr2text_core.model.weights import (
    PACKAGES,
    WeightsError,
    encoder_source,
    installed_file,
    pretrained_backbone,
)
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import Checkpoint, save_checkpoint

LITE0 = "tf_efficientnet_lite0"


def marked(name: str, **options: Any) -> nn.Module:
    """A model whose weights and statistics no default value equals."""
    torch.manual_seed(1)
    model = timm.create_model(name, **options)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand_like(tensor) * 0.1)
    return model


def without_stem(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name != "conv1.0.weight"}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Every tensor of ours is theirs."""
    assert ours
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


SAVED: dict[str, Callable[[dict[str, Tensor], Path], str]] = {
    "file.pth": lambda state, folder: _save(state, folder / "test_resnet.pth"),
    "with the hash of a download": lambda state, folder: _save(state, folder / "test_resnet-0aa007d2.pth"),
    "file.safetensors": lambda state, folder: _save(state, folder / "test_resnet.safetensors"),
    "folder": lambda state, folder: str(Path(_save(state, folder / "test_resnet" / "weights.pth")).parent),
    "NAME=file": lambda state, folder: f"test_resnet={_save(state, folder / 'eye.pth')}",
    "NAME=folder": lambda state, folder: f"test_resnet={Path(_save(state, folder / 'eye' / 'x.pth')).parent}",
}


def _save(state: dict[str, Tensor], file: Path) -> str:
    file.parent.mkdir(exist_ok=True)
    (save_file if file.suffix == ".safetensors" else torch.save)(state, file)
    return str(file)


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)
def test_bare_weights_of_colour_images_become_those_of_grey_ones(
    save: Callable[[dict[str, Tensor], Path], str], tmp_path: Path
) -> None:
    state = marked("test_resnet").state_dict()
    ours = pretrained_backbone(save(dict(state), tmp_path), 64).state_dict()
    assert_same(without_stem(ours), state)
    torch.testing.assert_close(ours["conv1.0.weight"], state["conv1.0.weight"].sum(1, keepdim=True))


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_vit", "test_efficientnet"])
def test_the_encoder_of_an_earlier_run_of_ours_starts_another(
    name: str, tmp_path: Path, tokenizer: ReportTokenizer
) -> None:
    earlier = build_model(name, "phantom", "none", 64, 48, tokenizer)
    for tensor in earlier.encoder.images.backbone.state_dict().values():
        tensor.copy_(torch.full_like(tensor, 3))
    checkpoint = Checkpoint(
        settings={}, fingerprint="", config=json.dumps(earlier.config.to_dict()), tokenizer="", progress={},
        model=earlier.state_dict(), optimizer={},
    )  # fmt: skip
    save_checkpoint(tmp_path / "best_model.pt", checkpoint)
    earlier.save_pretrained(tmp_path / "exported")
    for source in ("best_model.pt", "exported"):
        model = build_model(str(tmp_path / source), "phantom", "encoder", 64, 48, tokenizer)
        assert_same(model.encoder.images.state_dict(), earlier.encoder.images.state_dict())
        XR2TextModel(model.config)  # needs neither file nor folder


def test_the_encoder_of_a_run_on_phantoms_starts_another(tmp_path: Path, tiny_model: XR2TextModel) -> None:
    model = tiny_model
    checkpoint = Checkpoint(
        settings={}, fingerprint="", config=json.dumps(model.config.to_dict()), tokenizer="", progress={},
        model=model.state_dict(), optimizer={},
    )  # fmt: skip
    save_checkpoint(tmp_path / "best_model.pt", checkpoint)
    backbone = pretrained_backbone(str(tmp_path / "best_model.pt"), model.config.image_size)
    assert_same(backbone.state_dict(), model.encoder.images.backbone.state_dict())
    damaged = replace(checkpoint, config="{}")
    save_checkpoint(tmp_path / "best_model.pt", damaged)
    with pytest.raises(WeightsError, match=r"best_model\.pt"):
        pretrained_backbone(str(tmp_path / "best_model.pt"), 64)


def test_a_vision_transformer_is_resized_to_the_images(tmp_path: Path) -> None:
    file = _save(dict(marked("test_vit", img_size=160).state_dict()), tmp_path / "test_vit.pth")
    backbone = pretrained_backbone(file, 64)
    assert backbone.state_dict()["pos_embed"].shape[1] == 4 * 4 + 1
    assert_same(
        {name: tensor for name, tensor in backbone.state_dict().items() if name.startswith("blocks")},
        torch.load(file),
    )


@pytest.mark.parametrize("name", ["test_convnext", "swin_tiny_patch4_window7_224"])
def test_a_folder_as_timm_saves_it_arrives_with_its_classifier_dropped(name: str, tmp_path: Path) -> None:
    options = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)} if "swin" in name else {}
    source = marked(name, **options)
    save_for_hf(source, tmp_path, model_args=options)
    for image_size in (224, 160):  # the second has other windows in a Swin
        weights = pretrained_backbone(str(tmp_path), image_size).state_dict()
        stem = next(iter(weights))
        stages = {key: weights[key] for key in weights if key != stem and "relative" not in key and "mask" not in key}
        assert_same(stages, source.state_dict())


class TestPackage:
    """Weights in an installed package: the same tensors in the same order under other names."""

    @pytest.fixture
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
        """Made-up weights, installed under the package's name."""
        state = dict(marked(LITE0).state_dict())
        folder = tmp_path / PACKAGES[LITE0]
        (folder / "models").mkdir(parents=True)
        (folder / "__init__.py").touch()
        renamed = {
            f"_{number}.{name.rpartition('.')[2]}": tensor for number, (name, tensor) in enumerate(state.items())
        }
        torch.save(renamed, folder / "models" / "weights.pth")
        monkeypatch.syspath_prepend(str(tmp_path))
        return state

    @pytest.mark.parametrize("name", [LITE0, f"{LITE0}.in1k"])
    def test_every_weight_and_statistic_arrives(self, name: str, state: dict[str, Tensor]) -> None:
        backbone = pretrained_backbone(name, 64)
        theirs = timm.create_model(
            LITE0, pretrained=True, in_chans=1, num_classes=0, pretrained_cfg_overlay={"state_dict": dict(state)}
        ).state_dict()  # what timm makes of the same weights under its own names
        ours = backbone.state_dict()
        assert set(ours) == set(theirs)
        counted = {key: tensor for key, tensor in ours.items() if not key.endswith("num_batches_tracked")}
        assert_same(counted, theirs)
        torch.testing.assert_close(ours["conv_stem.weight"], state["conv_stem.weight"].sum(1, keepdim=True))

    def test_weights_of_another_model_are_refused(self, state: dict[str, Tensor], tmp_path: Path) -> None:
        file = tmp_path / PACKAGES[LITE0] / "models" / "weights.pth"
        torch.save(dict(list(state.items())[:-1]), file)
        with pytest.raises(WeightsError, match=f"does not hold the weights of {LITE0}"):
            pretrained_backbone(LITE0, 64)


@pytest.mark.skipif(installed_file(LITE0) is None, reason="needs the extra cpu")
def test_the_package_of_the_extra_holds_weights_of_imagenet() -> None:
    torch.manual_seed(0)
    backbone = pretrained_backbone(LITE0, 64).eval()
    fresh = create_backbone(LITE0, 64, {})
    assert (backbone.bn1.running_mean != fresh.bn1.running_mean).all()
    assert backbone.forward_features(torch.rand(1, 1, 64, 64)).shape == (1, 1280, 2, 2)


WRONG: dict[str, tuple[Callable[[Path], str], str]] = {
    "another architecture": (lambda folder: _save({"x": torch.ones(1)}, folder / "test_resnet.pth"), "Missing key"),
    "a part of the weights": (
        lambda folder: _save(without_stem(marked("test_resnet").state_dict()), folder / "test_resnet.pth"),
        "conv1.0.weight",
    ),
    "no architecture": (lambda folder: _save({}, folder / "eye.pth"), "--encoder NAME="),
    "an architecture that timm does not know": (lambda folder: f"resnet{folder}={folder}", "has no model"),
    "a path that is not there": (lambda folder: f"test_resnet={folder / 'x.pth'}", "no such file"),
    "no checkpoint": (lambda folder: _save({}, folder / "best_model.pt"), "end mark is missing"),
    "no weights at all": (lambda folder: str(_touched(folder / "test_resnet.pth")), "test_resnet.pth"),
    "two files": (lambda folder: str(_touched(folder / "b.pth", folder / "a.pth").parent), "a.pth, b.pth"),
    "an empty folder": (lambda folder: f"test_resnet={folder}", "none of model.safetensors"),
}


def _touched(*files: Path) -> Path:
    for file in files:
        file.touch()
    return files[0]


@pytest.mark.parametrize(("make", "reason"), WRONG.values(), ids=WRONG)
def test_weights_that_do_not_fit_are_one_error_that_names_flag_and_reason(
    make: Callable[[Path], str], reason: str, tmp_path: Path
) -> None:
    encoder = make(tmp_path)
    with pytest.raises(WeightsError) as error:
        pretrained_backbone(encoder, 64)
    message = str(error.value)
    assert message.startswith(f"--encoder {encoder}: ") and reason in message and "\n" not in message
    assert "--pretrained decoder" in message and "--pretrained none" in message


def test_a_half_of_the_phantom_has_no_pretrained_weights(tokenizer: ReportTokenizer) -> None:
    with pytest.raises(WeightsError, match=r"--encoder phantom: .*--pretrained decoder"):
        build_model("phantom", "phantom", "encoder", 64, 48, tokenizer)
    for ask in (
        lambda: build_model("phantom", "phantom", "decoder", 64, 48, tokenizer),
        lambda: load_tokenizer("phantom", True, []),
    ):
        with pytest.raises(WeightsError, match=r"--decoder phantom: .*--pretrained encoder"):
            ask()


def test_a_pretrained_encoder_stands_beside_a_decoder_from_scratch(
    tmp_path: Path, tokenizer: ReportTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "installed_file", lambda _: None)
    state = marked("test_resnet", in_chans=1, num_classes=0).state_dict()
    model = build_model(_save(dict(state), tmp_path / "test_resnet.pth"), "phantom", "encoder", 64, 48, tokenizer)
    assert_same(model.encoder.images.backbone.state_dict(), state)
    assert model.config.vocab_size == len(tokenizer)


def test_the_architecture_alone_needs_no_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architecture": "test_resnet", "model_args": {}}', encoding="utf-8")
    assert encoder_source(str(tmp_path)).name == "test_resnet"
