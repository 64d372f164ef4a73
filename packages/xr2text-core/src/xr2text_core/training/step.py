"""One step: one optimizer update over the effective batch, in as many micro-batches as the memory asks for."""

import math
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from xr2text_core.data.batches import Batch
from xr2text_core.data.randomness import step_seed
from xr2text_core.model.xr2text import XR2TextModel

MAX_GRAD_NORM = 1.0
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
        while (loss_sum := self._add_gradients(batch, micro_batch, step)) is None:
            if micro_batch == 1:
                raise OutOfMemory(f"out of memory with one study at a time: {ADVICE}")
            micro_batch, retries = (micro_batch + 1) // 2, retries + 1
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
        try:
            return self._update(loss_sum, batch.num_tokens, micro_batch, retries)
        except torch.OutOfMemoryError as error:  # half the weights may have moved: repeating would move them twice
            raise OutOfMemory(f"out of memory in the optimizer; start the same command again: {ADVICE}") from error

    def _add_gradients(self, batch: Batch, micro_batch: int, step: int) -> torch.Tensor | None:
        """Add up the gradients of the step; return its summed token loss, or None when the memory did not suffice.

        The caller recovers, not the `except` here: the exception keeps the tensors of the failed attempt alive.
        """
        torch.manual_seed(step_seed(self.seed, step))  # dropout: the same whenever and wherever this step is repeated
        num_tokens, loss_sum = batch.num_tokens, torch.zeros((), device=batch.tokens.device)
        try:
            for part in batch.parts(micro_batch):
                output = self.model(pixel_values=part.images, labels=part.tokens, finding_labels=part.finding_labels)
                loss = output.token_loss_sum / num_tokens + self.finding_weight * output.finding_loss_sum / len(batch)
                self.accelerator.backward(loss)
                loss_sum += output.token_loss_sum.detach()
        except torch.OutOfMemoryError:
            return None
        return loss_sum

    def _update(self, loss_sum: torch.Tensor, num_tokens: int, micro_batch: int, retries: int) -> StepResult:
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM)
        token_loss, grad_norm = torch.stack([loss_sum, norm.to(loss_sum)]).tolist()
        is_finite = math.isfinite(token_loss) and math.isfinite(grad_norm)
        if is_finite or self.accelerator.scaler is not None:  # the FP16 scaler skips by itself, and lowers its scale
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(token_loss, num_tokens, grad_norm, not is_finite, micro_batch, retries)
