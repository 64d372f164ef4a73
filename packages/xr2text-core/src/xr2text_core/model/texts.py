"""Short texts beside the films, as tokens for the decoder to attend to.

Shapes: B batch, T tokens of a text, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.report.tokenizer import PRIOR_TOKENS, QUESTION_TOKENS

MOST_TOKENS = {"question_ids": QUESTION_TOKENS, "prior_report_ids": PRIOR_TOKENS}  # of each kind of text
STD = 0.02  # of what is learned from scratch, as in BART


class TextEncoder(nn.Module):
    """One layer of a transformer over the decoder's own word embeddings, shared by all kinds of text.

    A first token stands for a text as a whole. Of an empty text it is not there either, unless it has more to say.
    """

    def __init__(self, config: XR2TextConfig) -> None:
        super().__init__()
        width, heads = config.bart["d_model"], config.bart["decoder_attention_heads"]
        self.pad_id = int(config.bart["pad_token_id"])
        self.position = nn.Parameter(STD * torch.randn(1 + max(MOST_TOKENS.values()), width))
        self.kind = nn.Parameter(STD * torch.randn(len(MOST_TOKENS), width))
        dropout = config.bart.get("dropout", 0.1)
        self.layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, nn.GELU(), batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.shared: tuple[nn.Module, ...] = ()  # in a tuple, or it would be a second owner of the decoder's weights

    def share(self, embedding: nn.Module) -> None:
        """Read tokens with this embedding, that of the decoder; it scales them as the decoder expects."""
        self.shared = (embedding,)

    def forward(
        self, ids: Tensor, name: str, more: Tensor | None = None, is_there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Token ids (B, T), padded by the pad token or a negative number -> tokens (B, 1 + T, D), and which of them are
        there, bool (B, 1 + T). `name`: the input they come from; `more` (B, D) is added to the first token, which
        `is_there` (B,) without any text too. ValueError for more tokens than the input takes.
        """
        if ids.shape[1] > MOST_TOKENS[name]:
            raise ValueError(f"{name} hold {ids.shape[1]} tokens of a text; at most {MOST_TOKENS[name]} are read")
        is_token = (ids >= 0) & (ids != self.pad_id)
        words: Tensor = self.shared[0](ids.where(is_token, self.pad_id))
        kind = self.kind[list(MOST_TOKENS).index(name)]
        states = functional.pad(words, (0, 0, 1, 0)) + self.position[: 1 + ids.shape[1]] + kind
        if more is not None:
            states = states + functional.pad(more.unsqueeze(1), (0, 0, 0, ids.shape[1]))
        padding = functional.pad(~is_token, (1, 0), value=False)  # the first token is always read: no empty attention
        states = self.norm(self.layer(states, src_key_padding_mask=padding))
        is_first = is_token.any(1) if is_there is None else is_token.any(1) | is_there
        return states, torch.cat([is_first.unsqueeze(1), is_token], 1)
