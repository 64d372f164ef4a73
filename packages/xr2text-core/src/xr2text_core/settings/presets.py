"""The sizes we recommend: each preset is a set of settings. A flag that the user gives wins over its preset."""

from typing import Any

WITHOUT_GPU = ("phantom", "cpu")  # presets for which a CPU is enough
PRESETS: dict[str, dict[str, Any]] = {
    # CPU, from scratch, minutes: proves that all parts work, on drawn phantoms or a few hundred images.
    "phantom": {
        "encoder": "phantom",
        "decoder": "phantom",
        "pretrained": "none",
        "image_size": 96,
        "max_tokens": 96,
        "micro_batch": 32,
        "accumulation": 1,
        "precision": "fp32",
        "encoder_rate": 3e-3,
        "decoder_rate": 2e-3,
        "new_rate": 3e-3,
    },
    # A few thousand real studies on a CPU, in half an hour: an encoder of 3.4 M parameters from ImageNet.
    # docs/results.md says how each value was found.
    "cpu": {
        "encoder": "tf_efficientnet_lite0",
        "decoder": "phantom",
        "pretrained": "encoder",
        "views": "all",
        "image_size": 144,
        "max_tokens": 96,
        "epochs": 6,
        "micro_batch": 32,
        "accumulation": 1,
        "precision": "fp32",
        "encoder_rate": 3e-4,
        "decoder_rate": 2e-3,
        "new_rate": 2e-3,
        "teach_encoder": "findings",
        "freeze_stages": 3,
        "curriculum": False,
    },
    # An 8 GB laptop GPU: an encoder of 88 M parameters, whose first stages stay as they are, and the decoder half of a
    # BART base. Both films of a study fit: docs/decisions/0012.
    "laptop": {
        "encoder": "convnext_base.fb_in22k_ft_in1k_384",
        "decoder": "GanjinZero/biobart-base",
        "image_size": 384,
        "views": "all",
        "teach_encoder": "findings",
        "freeze_stages": 2,
    },
    # 24 GB and more: finer images, larger micro-batches, the same effective batch.
    "workstation": {
        "encoder": "convnext_base.fb_in22k_ft_in1k_384",
        "decoder": "GanjinZero/biobart-base",
        "image_size": 512,
        "views": "all",
        "teach_encoder": "findings",
        "freeze_stages": 2,
        "micro_batch": 16,
        "accumulation": 2,
        "precision": "bf16",
    },
}
