"""XR2Text: image encoder -> anatomical region queries -> BART decoder that attends to regions and visual tokens.

Shapes: B batch, H image side, N visual tokens, R regions, Q region and global queries, F findings, T report tokens,
D width, V vocabulary. Images are grey with values 0..1.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BartConfig, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.models.bart.modeling_bart import BartDecoder, shift_tokens_right

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.encoder import ImageEncoder
from xr2text_core.model.film import film_box
from xr2text_core.model.regions import RegionHead, RegionQueries, position_encoding
from xr2text_core.report.tokenizer import IGNORED


@dataclass
class VisualOutput(BaseModelOutput):
    """What the decoder attends to, and the outputs of the regions.

    last_hidden_state (B, Q + N, D); finding_logits (B, R + 1, F), the last row for the whole image;
    routing (B, R), 0..1; region_attention (B, Q, N), each row sums to 1.
    """

    finding_logits: Tensor | None = None
    routing: Tensor | None = None
    region_attention: Tensor | None = None


@dataclass
class ReportOutput(Seq2SeqLMOutput):
    """`loss` is the mean token cross-entropy (nats). The sums let a step of several micro-batches be weighted exactly.

    token_loss_sum: over `num_tokens` labels; finding_loss_sum: binary cross-entropy of a study, summed over its F
    findings and averaged over the R + 1 rows, then summed over studies.
    """

    token_loss_sum: Tensor | None = None
    finding_loss_sum: Tensor | None = None
    num_tokens: Tensor | None = None


class VisualEncoder(nn.Module):
    """Images to the sequence that the decoder attends to: region and global tokens, then visual tokens."""

    main_input_name = "pixel_values"

    def __init__(self, config: XR2TextConfig) -> None:
        super().__init__()
        width = config.bart["d_model"]
        self.images = ImageEncoder(config.encoder, config.image_size, config.encoder_options)
        self.project = nn.Linear(self.images.channels, width)
        self.norm = nn.LayerNorm(width)
        self.regions = RegionQueries(
            self.images.channels, width, config.bart["decoder_attention_heads"], config.num_global_queries
        )
        self.head = RegionHead(width, len(config.findings))

    def forward(self, pixel_values: Tensor, **_: Any) -> VisualOutput:
        """Images (B, 1, H, H), values 0..1."""
        features = self.images(pixel_values)  # (B, N, C)
        tokens = self.norm(self.project(features))  # (B, N, D)
        tokens = tokens + position_encoding(tokens.shape[1], tokens.shape[2], tokens.device)
        queries, attention = self.regions(features, tokens, film_box(pixel_values))
        routed, logits, routing = self.head(queries, self.regions.num_regions)
        return VisualOutput(
            last_hidden_state=torch.cat([routed, tokens], 1),
            finding_logits=logits,
            routing=routing,
            region_attention=attention,
        )


class XR2TextModel(PreTrainedModel, GenerationMixin):
    """A report writer; `generate(pixel_values=...)`, `save_pretrained`, `from_pretrained` work as in transformers."""

    config_class = XR2TextConfig
    base_model_prefix = "xr2text"
    main_input_name = "pixel_values"
    _tied_weights_keys = {"lm_head.weight": "decoder.embed_tokens.weight"}  # noqa: RUF012 (transformers' own form)
    _supports_sdpa = True

    def __init__(self, config: XR2TextConfig) -> None:
        super().__init__(config)
        self.encoder = VisualEncoder(config)
        decoder_config = BartConfig(**config.bart)
        decoder_config._attn_implementation = config._attn_implementation
        self.decoder = BartDecoder(decoder_config)
        self.lm_head: nn.Module = nn.Linear(config.bart["d_model"], config.bart["vocab_size"], bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_pretrained(cls, *arguments: Any, **options: Any) -> Any:
        """As in transformers, but only from safetensors by default, because folders may come from strangers.

        Weights are copied to where the constructor would allocate them: safetensors leaves them at odd addresses and in
        another order, which changes the rounding of sums.
        """
        loaded = super().from_pretrained(*arguments, **{"use_safetensors": True, **options})
        model: XR2TextModel = loaded[0] if isinstance(loaded, tuple) else loaded  # with its loading info, if asked for
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = tensor.data.clone()
        model.encoder.images.backbone.to(memory_format=torch.channels_last)
        return loaded

    def _init_weights(self, module: nn.Module) -> None:
        """Only what no checkpoint holds, such as Swin's position indices; timm, torch and BART initialise the rest."""
        initialise = getattr(module, "init_non_persistent_buffers", None)
        if initialise is not None:
            initialise()

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        return self.encoder

    def get_input_embeddings(self) -> nn.Module:
        return self.decoder.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.decoder.embed_tokens = value  # type: ignore[assignment]

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def forward(
        self,
        pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        finding_labels: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: VisualOutput | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        num_labels: int | None = None,
        **kwargs: Any,
    ) -> ReportOutput:
        """Images (B, 1, H, H), or their `encoder_outputs`, and the report so far -> logits.

        With `labels` (B, T; padding is -100) the decoder input is derived from them and losses are returned instead of
        logits, computed only where there is a label. `finding_labels` (B, R + 1, F), 0..1, add the loss of the regions.
        A caller who knows the number of labels spares a GPU the wait for it.
        """
        if encoder_outputs is None:
            encoder_outputs = self.encoder(pixel_values)
        if labels is not None:
            pad, start = self.config.pad_token_id, self.config.decoder_start_token_id
            decoder_input_ids = shift_tokens_right(labels, pad, start)
        decoded = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoder_outputs[0],
            past_key_values=past_key_values,
            use_cache=use_cache if labels is None else False,
            output_attentions=kwargs.get("output_attentions"),
        )
        output = ReportOutput(
            past_key_values=decoded.past_key_values,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoder_outputs[0],
        )
        if labels is None:
            output.logits = self.lm_head(decoded.last_hidden_state)
            return output
        is_label = (labels != IGNORED).flatten()
        places = is_label.nonzero() if num_labels is None else is_label.nonzero_static(size=num_labels)
        return self._with_losses(
            output, decoded.last_hidden_state, encoder_outputs, labels, places[:, 0], finding_labels
        )

    def _with_losses(
        self,
        output: ReportOutput,
        hidden: Tensor,
        seen: VisualOutput,
        labels: Tensor,
        places: Tensor,
        finding_labels: Tensor | None,
    ) -> ReportOutput:
        """`places`: where there is a label, in the flattened labels."""
        logits = self.lm_head(hidden.flatten(0, 1)[places])  # (tokens, V)
        output.token_loss_sum = functional.cross_entropy(logits.float(), labels.flatten()[places], reduction="sum")
        output.num_tokens = torch.tensor(len(places))
        output.loss = output.token_loss_sum / len(places)
        if finding_labels is not None and seen.finding_logits is not None:
            losses = functional.binary_cross_entropy_with_logits(
                seen.finding_logits.float(), finding_labels, reduction="none"
            )
            output.finding_loss_sum = losses.sum(2).mean(1).sum()
        return output
