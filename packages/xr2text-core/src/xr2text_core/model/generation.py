"""Reports for images: batched generation with the key-value cache, the encoder run once."""

import torch
from transformers.modeling_outputs import BaseModelOutput

from xr2text_core.model.xr2text import VisualOutput, XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer


@torch.inference_mode()
def write_reports(
    model: XR2TextModel, tokenizer: ReportTokenizer, seen: VisualOutput, max_tokens: int, num_beams: int = 1
) -> list[str]:
    """One report for each image that the encoder has `seen`; num_beams 1 is greedy. The model must be in eval mode."""
    ids = model.generate(  # type: ignore[misc]
        # a copy, because beams expand it in place
        encoder_outputs=BaseModelOutput(last_hidden_state=seen.last_hidden_state),
        max_new_tokens=max_tokens,
        num_beams=num_beams,
        do_sample=False,
        use_cache=True,
    )
    return tokenizer.decode(ids[:, 1:].tolist())
