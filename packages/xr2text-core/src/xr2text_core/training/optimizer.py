"""AdamW with a learning rate per part of the model, and the schedule over the share of the run that is done."""

import math

import torch
from torch import nn

from xr2text_core.settings.settings import Settings

WARM_UP = 0.05  # share of the run
FLOOR = 0.02  # share of the peak at the end


def build_optimizer(model: nn.Module, settings: Settings, device: torch.device) -> torch.optim.AdamW:
    """Encoder, decoder and new layers each have a peak learning rate; no weight decay on biases, norms and vectors.

    Frozen weights have neither a rate nor moments.
    """
    peaks = {"encoder": settings.encoder_rate, "decoder": settings.decoder_rate, "new": settings.new_rate}
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((part_of(name), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": peaks[part],
                "peak": peaks[part],
                "part": part,
                "weight_decay": settings.weight_decay if decays else 0.0,
            }
            for (part, decays), parameters in groups.items()
        ],
        betas=(0.9, 0.98),
        fused=device.type in ("cuda", "cpu"),
    )


def allocate_state(optimizer: torch.optim.Optimizer) -> None:
    """Allocate the moments of every parameter as the first update would, so that later updates allocate nothing."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if not optimizer.state[parameter]:
                optimizer.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device if group["fused"] else "cpu"),
                    "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                    "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                }


def drop_applied_gradients(optimizer: torch.optim.Optimizer) -> None:
    """After an update that ran out of memory: drop the gradients that it had already applied.

    Each parameter counts its updates; those one ahead of the others are done. Repeating the update finishes the rest.
    """
    updates = {p: float(state["step"]) for p, state in optimizer.state.items() if p.grad is not None}
    fewest = min(updates.values(), default=0.0)
    for parameter, count in updates.items():
        if count > fewest:
            parameter.grad = None


def part_of(name: str) -> str:
    """Which learning rate a parameter follows, by its name."""
    if name.startswith("encoder.images."):
        return "encoder"
    return "decoder" if name.startswith(("decoder.", "lm_head.")) else "new"


def learning_rate_factor(done: float, after: float) -> float:
    """Share of the peak learning rate in a step that starts when `done` of the run is done, and ends at `after`, 0..1.

    Linear warm-up, then cosine decay to a floor.
    """
    if done < WARM_UP:
        return min(1.0, after / WARM_UP)
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - WARM_UP) / (1 - WARM_UP))))


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group to this share of its peak learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def decoder_learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """The current learning rate of the decoder, which history and status show."""
    return next(float(group["lr"]) for group in optimizer.param_groups if group["part"] == "decoder")
