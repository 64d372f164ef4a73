"""Reports from encoder states."""

import torch
from torch import Tensor

from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.writing.beam_search import beam_search, greedy_search
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer


def write_reports(
    model: XR2TextModel, tokenizer: ReportTokenizer, encoded: VisualOutput, max_tokens: int, num_beams: int = 1
) -> list[str]:
    """One report per encoded study; num_beams 1 is greedy."""
    assert encoded.last_hidden_state is not None
    memory, mask = encoded.last_hidden_state, encoded.attention_mask
    return tokenizer.decode(write_tokens(model, memory, max_tokens, num_beams, mask).tolist())


@torch.no_grad()  # under inference_mode autocast would cast the decoder anew for every token (pytorch issue 165068)
def write_tokens(
    model: XR2TextModel, memory: Tensor, max_tokens: int, num_beams: int = 1, memory_mask: Tensor | None = None
) -> Tensor:
    """The same as token ids (B, T), padded, from encoder states (B, S, D) and their mask (B, S). No start token."""
    if num_beams == 1:
        return greedy_search(model, memory, max_tokens, memory_mask)
    return beam_search(model, memory, max_tokens, num_beams, memory_mask)
