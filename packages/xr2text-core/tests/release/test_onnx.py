"""The encoder says the same without PyTorch, for any number of images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from xr2text_core.data.batches import BatchMaker
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.release.onnx import OUTPUTS, write_onnx


@pytest.mark.parametrize("largest_grid", [0, 3])  # 3: the 4 x 4 tokens of the tiny model are averaged to 3 x 3
def test_onnx_gives_the_findings_and_the_attention_of_pytorch_for_any_number_of_images(
    tiny_model: XR2TextModel, batches: BatchMaker, tmp_path: Path, largest_grid: int
) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="needs xr2text-core[onnx]")
    runtime = pytest.importorskip("onnxruntime")
    model = tiny_model.eval()
    model.encoder.images.largest_grid = largest_grid
    write_onnx(model, tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    for number in (1, 5):
        images = batches.plain(range(number)).films().clone()
        images[0, :, :, : images.shape[3] // 3] = 0  # a black border beside one film
        found = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"pixel_values": images.numpy()}), strict=True))
        with torch.inference_mode():
            seen = model.get_encoder()(images)
        assert np.allclose(found["finding_logits"], seen.finding_logits.numpy(), atol=1e-4)
        assert np.allclose(found["region_attention"], seen.region_attention.numpy(), atol=1e-5)
