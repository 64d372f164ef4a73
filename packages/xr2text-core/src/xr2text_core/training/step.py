"""One step: one optimizer update over the effective batch, in as many micro-batches as memory requires."""

import math
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from xr2text_core.data.batches import Batch
from xr2text_core.data.randomness import step_seed
from xr2text_core.machine.memory import ADVICE, OutOfMemory, if_it_fits
from xr2text_core.machine.processes import ALONE, Processes
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.training.device import relax_determinism
from xr2text_core.training.optimizer import drop_applied_gradients

MAX_GRAD_NORM = 1.0


@dataclass(frozen=True)
class StepResult:
    """token_loss is the sum over `num_tokens` (nats); grad_norm before clipping; oom_retries counts halvings.

    A step whose images were all lost is skipped and has no token.
    """

    token_loss: float
    num_tokens: int
    grad_norm: float
    was_skipped: bool
    micro_batch: int
    oom_retries: int = 0

    @property
    def loss(self) -> float:
        """Nats per token; NaN without any."""
        return self.token_loss / self.num_tokens if self.num_tokens else math.nan


@dataclass(frozen=True)
class Stepper:
    """What every step needs."""

    accelerator: Accelerator
    model: XR2TextModel
    optimizer: torch.optim.Optimizer
    finding_weight: float
    seed: int
    processes: Processes = ALONE

    def take_step(self, batch: Batch, micro_batch: int, step: int) -> StepResult:
        """One update on `batch`, the share of this rank. Out of memory: halve the micro-batch and repeat.

        At micro-batch 1, turn on gradient checkpointing in the encoder before giving up.
        """
        counts = self.processes.sum(torch.tensor([batch.num_tokens, len(batch)]))
        if not counts[1]:  # every image of it was lost; without gradients the FP16 scaler would raise
            return StepResult(math.nan, 0, 0.0, True, micro_batch)
        num_tokens, num_studies = counts.clamp_min(1).tolist()
        retries = 0
        while (gradients := self._compute_gradients(batch, micro_batch, step, num_tokens, num_studies)) is None:
            if micro_batch == 1 and not self.model.encoder.images.enable_gradient_checkpointing():
                raise OutOfMemory(f"out of memory at micro-batch 1: {ADVICE}")
            micro_batch, retries = (micro_batch + 1) // 2, retries + 1
            self._reset_gradients()
        token_loss, grad_norm = torch.stack(gradients).tolist()
        is_finite = math.isfinite(token_loss) and math.isfinite(grad_norm)
        if is_finite or self.accelerator.scaler is not None:  # the FP16 scaler skips by itself, and lowers its scale
            self._update()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(token_loss, num_tokens, grad_norm, not is_finite, micro_batch, retries)

    def _compute_gradients(
        self, batch: Batch, micro_batch: int, step: int, num_tokens: int, num_studies: int
    ) -> tuple[Tensor, Tensor] | None:
        """Accumulate and clip the gradients of the step; return its summed token loss and their norm before clipping.

        None when any rank ran out of memory.
        """
        loss_sum = if_it_fits(lambda: self._accumulate_gradients(batch, micro_batch, step, num_tokens, num_studies))
        if self.processes.any(loss_sum is None):
            return None
        if not self.processes.sum_gradients(self.model.parameters()):
            return None
        norm = if_it_fits(lambda: self.accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM))
        if self.processes.any(norm is None):
            return None
        assert loss_sum is not None and norm is not None
        return self.processes.sum(loss_sum), norm.to(loss_sum)

    def _accumulate_gradients(self, batch: Batch, *counts: int) -> Tensor:
        """Repeated once where an operation has no deterministic implementation."""
        try:
            return self._backward(batch, *counts)
        except RuntimeError as error:
            relax_determinism(error)
        self._reset_gradients()
        return self._backward(batch, *counts)

    def _backward(self, batch: Batch, micro_batch: int, step: int, num_tokens: int, num_studies: int) -> Tensor:
        """Divide by the counts of the whole step: reports differ in length, and the last step may be short."""
        # dropout is the same when this step is repeated
        torch.manual_seed(step_seed(self.seed, step, self.processes.rank))
        loss_sum = torch.zeros((), device=batch.tokens.device)
        with self.accelerator.autocast():  # around all micro-batches: each weight is cast to 16 bits once
            for part in batch.parts(micro_batch):
                output = self.model(
                    **part.inputs,
                    labels=part.tokens,
                    finding_labels=part.finding_labels,
                    num_labels=part.num_tokens,
                    state_draws=part.state_draws,
                    change_labels=part.change_labels,
                )
                with torch.autocast(batch.tokens.device.type, enabled=False):  # gradients have the types of the forward
                    loss = output.token_loss_sum / num_tokens
                    loss += self.finding_weight * output.finding_loss_sum / num_studies
                    self.accelerator.backward(loss)
                    loss_sum += output.token_loss_sum.detach()
        return loss_sum

    def _reset_gradients(self) -> None:
        """Free what a failed attempt holds, and reset the FP16 scaler for a new attempt."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler._per_optimizer_states.clear()  # it refuses to unscale twice between two updates
        torch.cuda.empty_cache()

    def _update(self) -> None:
        """Update the weights. Out of memory half-way: finish the rest; a full repeat would update twice."""
        if if_it_fits(self._apply) is None:
            drop_applied_gradients(self.optimizer)
            torch.cuda.empty_cache()
            if if_it_fits(self._apply) is None:
                raise OutOfMemory(f"out of memory in the optimizer; start the same command again: {ADVICE}")

    def _apply(self) -> bool:
        self.optimizer.step()
        return True
