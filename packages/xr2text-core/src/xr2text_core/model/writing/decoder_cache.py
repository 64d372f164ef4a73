"""The decoder one token at a time, with a key-value cache: nothing is computed twice, copied or reordered.

A beam that continues another one shares its past. Instead of copying that past, every token ever written keeps its
slot, and a beam attends only to the slots of its ancestors. The beams of a study are queries to the same keys, so
encoder states are kept once per study, not once per beam.

B open studies, K beams, T tokens, H heads, W width of a head, S encoder states, D width, V vocabulary.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.bart.modeling_bart import BartAttention, BartDecoderLayer

from xr2text_core.model.xr2text import XR2TextModel


class CachedDecoder:
    """Decodes K beams of each of B studies in step. There is no dropout, in train mode either."""

    def __init__(
        self, model: XR2TextModel, memory: Tensor, num_beams: int, max_tokens: int, memory_mask: Tensor | None = None
    ) -> None:
        """`memory` (B, S, D): the encoder states; `memory_mask` (B, S): which of them count, None: all."""
        self.decoder, self.output = model.decoder, model.lm_head
        self.layers = cast(list[BartDecoderLayer], list(model.decoder.layers))
        self.num_beams, self.num_written = num_beams, 0
        slots = max_tokens * num_beams
        cross = [_keys_and_values(layer.encoder_attn, memory) for layer in self.layers]
        self.cross = [(keys.contiguous(), values.contiguous()) for keys, values in cross]  # (B, H, S, W), read often
        self.cross_mask = None if memory_mask is None else memory_mask[:, None, None].clone()  # (B, 1, 1, S)
        self.past = [(_empty(slots, keys), _empty(slots, values)) for keys, values in self.cross]  # (B, H, T*K, W)
        # What is added to the attention of a beam: 0 at the slots of its ancestors, -inf at all others.
        self.ancestors = memory.new_full((len(memory), num_beams, slots), -math.inf, dtype=self.cross[0][0].dtype)
        self.itself = self.ancestors.new_full((num_beams, num_beams), -math.inf).fill_diagonal_(0)

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """The newest token of each beam and its parent beam, both (B, K) -> logits of the next (B, K, V)."""
        start, end = self.num_written * self.num_beams, (self.num_written + 1) * self.num_beams
        mask = self._trace(parents, start, end) if self.num_beams > 1 else None
        positions = self.decoder.embed_positions(tokens[:, :1], self.num_written)  # (B, 1, D): beams are equally long
        hidden = self.decoder.layernorm_embedding(self.decoder.embed_tokens(tokens) + positions)  # (B, K, D)
        for layer, cross, past in zip(self.layers, self.cross, self.past, strict=True):
            for slots, states in zip(past, _keys_and_values(layer.self_attn, hidden), strict=True):
                slots[:, :, start:end] = states
            keys, values = (slots[:, :, :end] for slots in past)
            hidden = layer.self_attn_layer_norm(hidden + _attend(layer.self_attn, hidden, keys, values, mask))
            hidden = layer.encoder_attn_layer_norm(
                hidden + _attend(layer.encoder_attn, hidden, *cross, self.cross_mask)
            )
            hidden = layer.final_layer_norm(hidden + layer.fc2(layer.activation_fn(layer.fc1(hidden))))
        self.num_written += 1
        logits: Tensor = self.output(hidden)
        return logits.float()

    def keep(self, rows: "OpenRows") -> None:
        """Drop the finished studies."""
        self.cross = [(rows.of(keys), rows.of(values)) for keys, values in self.cross]
        self.past = [(rows.of(keys), rows.of(values)) for keys, values in self.past]
        self.ancestors = rows.of(self.ancestors)
        if self.cross_mask is not None:
            self.cross_mask = rows.of(self.cross_mask)

    def _trace(self, parents: Tensor, start: int, end: int) -> Tensor:
        """A beam's ancestors are those of its parent beam, and itself: the mask (B, 1, K, slots so far)."""
        self.ancestors[..., :start] = self.ancestors[..., :start].take_along_dim(parents[..., None], 1)
        self.ancestors[..., start:end] = self.itself
        return self.ancestors[:, None, :, :end]


class OpenRows:
    """The unfinished studies. Rows from the end fill the gaps of finished ones, so that few are copied."""

    def __init__(self, is_open: Sequence[bool], device: torch.device) -> None:
        self.number = sum(is_open)
        gaps = [row for row in range(self.number) if not is_open[row]]
        fillers = [row for row in range(self.number, len(is_open)) if is_open[row]]
        self.gaps, self.fillers = torch.tensor([gaps, fillers], dtype=torch.long, device=device)

    def of(self, tensor: Tensor) -> Tensor:
        """The open rows of `tensor`, whose rows are moved in place."""
        tensor[self.gaps] = tensor[self.fillers]
        return tensor[: self.number]


def _keys_and_values(attention: BartAttention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of `states` (B, S, D): both (B, H, S, W)."""
    return _heads(attention, attention.k_proj(states)), _heads(attention, attention.v_proj(states))


def _attend(
    attention: BartAttention, hidden: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
) -> Tensor:
    """The attention output of the beams `hidden` (B, K, D): (B, K, D)."""
    queries = _heads(attention, attention.q_proj(hidden))
    found = functional.scaled_dot_product_attention(queries, keys, values, mask, scale=attention.scaling)
    mixed: Tensor = attention.out_proj(found.transpose(1, 2).flatten(2))
    return mixed


def _heads(attention: BartAttention, states: Tensor) -> Tensor:
    """(B, S, D) -> (B, H, S, W)."""
    return states.view(*states.shape[:2], attention.num_heads, -1).transpose(1, 2)


def _empty(slots: int, states: Tensor) -> Tensor:
    """An empty (B, H, slots, W) beside states (B, H, S, W)."""
    return states.new_empty(*states.shape[:2], slots, states.shape[3])
