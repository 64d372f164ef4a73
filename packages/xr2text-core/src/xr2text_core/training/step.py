"""One step: one optimizer update over the effective batch, in as many micro-batches as the memory asks for."""

import math
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from xr2text_core.data.batches import Batch
from xr2text_core.data.randomness import step_seed
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.training.optimizer import forget_moved

MAX_GRAD_NORM = 1.0
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "ALLOC_FAILED")  # the host's allocator, cuBLAS, cuDNN
ADVICE = "close other programs on the GPU, or use a smaller --image-size, --max-tokens or --encoder"


class OutOfMemory(Exception):
    """Not even one study fits into the memory of the device; the message says what to change."""


@dataclass(frozen=True)
class StepResult:
    """token_loss is the sum over `num_tokens` (nats); grad_norm before clipping; oom_retries counts halvings."""

    token_loss: float
    num_tokens: int
    grad_norm: float
    was_skipped: bool
    micro_batch: int
    oom_retries: int = 0


@dataclass(frozen=True)
class Stepper:
    """What every step needs."""

    accelerator: Accelerator
    model: XR2TextModel
    optimizer: torch.optim.Optimizer
    finding_weight: float
    seed: int

    def take_step(self, batch: Batch, micro_batch: int, step: int) -> StepResult:
        """Update once on `batch`. Out of memory: halve the micro-batch and repeat this very step."""
        retries = 0
        while (gradients := self._make_gradients(batch, micro_batch, step)) is None:
            if micro_batch == 1:
                raise OutOfMemory(f"out of memory with one study at a time: {ADVICE}")
            micro_batch, retries = (micro_batch + 1) // 2, retries + 1
            self._forget_gradients()
        token_loss, grad_norm = torch.stack(gradients).tolist()
        is_finite = math.isfinite(token_loss) and math.isfinite(grad_norm)
        if is_finite or self.accelerator.scaler is not None:  # the FP16 scaler skips by itself, and lowers its scale
            self._update()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(token_loss, batch.num_tokens, grad_norm, not is_finite, micro_batch, retries)

    def _make_gradients(self, batch: Batch, micro_batch: int, step: int) -> tuple[Tensor, Tensor] | None:
        """Add up the clipped gradients of the step; return its summed token loss and their norm before clipping.

        None when the memory did not suffice: the caller recovers, not the `except` here, because an exception keeps the
        tensors of the failed attempt alive.
        """
        torch.manual_seed(step_seed(self.seed, step))  # dropout: the same whenever and wherever this step is repeated
        num_tokens = batch.num_tokens
        try:
            loss_sum = torch.zeros((), device=batch.tokens.device)
            for part in batch.parts(micro_batch):
                output = self.model(pixel_values=part.images, labels=part.tokens, finding_labels=part.finding_labels)
                loss = output.token_loss_sum / num_tokens + self.finding_weight * output.finding_loss_sum / len(batch)
                self.accelerator.backward(loss)
                loss_sum += output.token_loss_sum.detach()
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM)
            return loss_sum, norm.to(loss_sum)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _forget_gradients(self) -> None:
        """Give back what a failed attempt holds, and let the FP16 scaler begin its step anew."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler._per_optimizer_states.clear()  # it refuses to unscale twice between two updates
        torch.cuda.empty_cache()

    def _update(self) -> None:
        """Move the weights. Out of memory half-way: finish for those that had not moved; repeating would move twice."""
        if not self._moves():
            forget_moved(self.optimizer)
            torch.cuda.empty_cache()
            if not self._moves():
                raise OutOfMemory(f"out of memory in the optimizer; start the same command again: {ADVICE}")

    def _moves(self) -> bool:
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the host had no memory left. A broken GPU raises the same class, with other words."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
