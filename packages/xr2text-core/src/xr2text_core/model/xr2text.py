"""XR2Text: image encoder -> anatomical region queries -> BART decoder that attends to regions and visual tokens.

Shapes: B batch, R regions, F findings, S tokens of the memory, T report tokens. Images are grey with values 0..1.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BartConfig, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.models.bart.modeling_bart import BartDecoder, shift_tokens_right

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.encoder import LARGEST_GRID
from xr2text_core.model.last_study import change_loss
from xr2text_core.model.visual import VisualEncoder, VisualOutput
from xr2text_core.report.tokenizer import IGNORED


@dataclass
class ReportOutput(Seq2SeqLMOutput):
    """`loss` is the mean token cross-entropy (nats). The sums let a step of several micro-batches be weighted exactly.

    token_loss_sum: over `num_tokens` labels; finding_loss_sum: binary cross-entropy of a study, summed over its F
    findings and averaged over the R + 1 rows, then summed over studies; with that of the words of its report. Where the
    last study is read, also that of its own films alone, and the cross-entropy of what became of its findings.
    """

    token_loss_sum: Tensor | None = None
    finding_loss_sum: Tensor | None = None
    num_tokens: Tensor | None = None


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
        self._share_embedding()
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

    def freeze(self, stages: int, whole: bool = False, is_cached: bool = False) -> None:
        """Keep the first stages of the encoder as they are, or the whole of it.

        Tokens that are cached are averaged to at most LARGEST_GRID a side, here and wherever the model goes.
        """
        self.encoder.images.freeze_stages(stages)
        if whole:
            self.encoder.images.freeze()
        if is_cached:
            self.config.largest_grid = self.encoder.images.largest_grid = LARGEST_GRID

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        return self.encoder

    def get_input_embeddings(self) -> nn.Module:
        return self.decoder.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.decoder.embed_tokens = value  # type: ignore[assignment]
        self._share_embedding()

    def _share_embedding(self) -> None:
        if self.encoder.texts is not None:
            self.encoder.texts.share(self.decoder.embed_tokens)

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
        film_mask: Tensor | None = None,
        state_draws: Tensor | None = None,
        question_ids: Tensor | None = None,
        prior_report_ids: Tensor | None = None,
        prior_days: Tensor | None = None,
        prior_findings: Tensor | None = None,
        features: Tensor | None = None,
        change_labels: Tensor | None = None,
        **kwargs: Any,
    ) -> ReportOutput:
        """Images and what belongs to them as in VisualEncoder, or `encoder_outputs`, and the report so far -> logits.

        With `labels` (B, T; padding is -100) the decoder input is derived from them and losses are returned instead of
        logits, computed only where there is a label. `finding_labels` (B, R + 1, F), 0..1, add the loss of the regions.
        The decoder is then told those of the whole study, as wrong as `state_draws` (B, 2, F), 0..1, make them.
        `change_labels` (B, F) add the loss of what became of findings (last_study.py).
        A caller who knows the number of labels spares a GPU the wait for it.
        """
        if encoder_outputs is None:
            states = None
            if self.encoder.study is not None and finding_labels is not None:
                states = self.encoder.study.decision.taught_states(finding_labels[:, -1], state_draws)
            beside = question_ids, prior_report_ids, prior_days, prior_findings
            encoder_outputs = self.encoder(pixel_values, film_mask, states, *beside, features)
        memory, memory_mask = encoder_outputs[0], _added_to_attention(encoder_outputs)
        targets = finding_labels, change_labels
        if labels is not None:
            pad, start = self.config.pad_token_id, self.config.decoder_start_token_id
            decoder_input_ids = shift_tokens_right(labels, pad, start)
            if decoder_attention_mask is None and self.decoder.config._attn_implementation == "sdpa":
                hidden = _teacher_forced(self.decoder, decoder_input_ids, memory, memory_mask)
                output = ReportOutput(encoder_last_hidden_state=memory)
                return self._with_losses(output, hidden, encoder_outputs, labels, targets, num_labels)
        decoded = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=memory,
            encoder_attention_mask=memory_mask,
            past_key_values=past_key_values,
            use_cache=use_cache if labels is None else False,
            output_attentions=kwargs.get("output_attentions"),
        )
        output = ReportOutput(
            past_key_values=decoded.past_key_values,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=memory,
        )
        if labels is not None:
            hidden = decoded.last_hidden_state
            return self._with_losses(output, hidden, encoder_outputs, labels, targets, num_labels)
        output.logits = self.lm_head(decoded.last_hidden_state)
        return output

    def _with_losses(
        self,
        output: ReportOutput,
        hidden: Tensor,
        seen: VisualOutput,
        labels: Tensor,
        targets: tuple[Tensor | None, Tensor | None],
        num_labels: int | None,
    ) -> ReportOutput:
        """The losses where there is a label; `targets`: of the findings and of the changes."""
        finding_labels, change_labels = targets
        is_label = (labels != IGNORED).flatten()
        found = is_label.nonzero() if num_labels is None else is_label.nonzero_static(size=num_labels)
        places = found[:, 0]
        logits = self.lm_head(hidden.flatten(0, 1)[places])  # (tokens, vocabulary)
        output.token_loss_sum = functional.cross_entropy(logits.float(), labels.flatten()[places], reduction="sum")
        output.num_tokens = torch.tensor(len(places))
        output.loss = output.token_loss_sum / len(places)
        if finding_labels is not None and seen.finding_logits is not None:
            losses = _finding_losses(seen.finding_logits, finding_labels)
            output.finding_loss_sum = losses.sum(2).mean(1).sum()
            if seen.own_logits is not None:
                output.finding_loss_sum += _finding_losses(seen.own_logits, finding_labels[:, -1]).sum()
            if self.encoder.study is not None and seen.word_logits is not None:
                output.finding_loss_sum += self.encoder.study.films.word_loss(seen.word_logits, labels)
            if change_labels is not None and seen.change_logits is not None:
                output.finding_loss_sum += change_loss(seen.change_logits, change_labels)
        return output


def _finding_losses(logits: Tensor, labels: Tensor) -> Tensor:
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def _added_to_attention(seen: VisualOutput) -> Tensor | None:
    """The mask of the memory as the decoder adds it to its attention, (B, 1, 1, S): prepared here, because transformers
    would ask a GPU whether anything is masked."""
    mask = getattr(seen, "attention_mask", None)
    if mask is None:
        return None
    added = torch.zeros(mask.shape, dtype=seen[0].dtype, device=mask.device)
    return added.masked_fill(~mask, -torch.inf)[:, None, None]


def _teacher_forced(decoder: BartDecoder, tokens: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
    """The states (B, T, D) that `decoder` gives whole reports, padded at their ends, where no earlier token looks.

    Its own forward makes a mask of ones and asks whether all are ones: a GPU is waited for in every micro-batch.
    """
    places = torch.arange(tokens.shape[1], device=tokens.device)
    hidden: Tensor = decoder.embed_tokens(tokens) + decoder.embed_positions(tokens, position_ids=places)
    hidden = functional.dropout(decoder.layernorm_embedding(hidden), float(decoder.dropout or 0), decoder.training)
    for layer in decoder.layers:
        hidden = layer(hidden, None, memory, encoder_attention_mask=memory_mask, use_cache=False)
    return hidden
