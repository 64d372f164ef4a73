"""XR2Text: image encoder -> anatomical region queries -> BART decoder that attends to regions and visual tokens.

Shapes: B batch, V views, H image side, N visual tokens of a film, R regions, Q region and global queries, F findings,
S tokens of the memory, T report tokens, D width. Images are grey with values 0..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BartConfig, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.models.bart.modeling_bart import BartDecoder, shift_tokens_right

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.encoder import LARGEST_GRID, ImageEncoder
from xr2text_core.model.film import film_box
from xr2text_core.model.regions import RegionHead, RegionQueries, position_encoding
from xr2text_core.model.study_head import StudyHead
from xr2text_core.report.tokenizer import IGNORED


@dataclass
class VisualOutput(BaseModelOutput):
    """What the decoder attends to, and the outputs of the regions.

    last_hidden_state (B, S, D), S = Q + V N, or Q + V N + F of a model that decides findings first;
    finding_logits (B, R + 1, F), the last row for the whole study;
    routing (B, R), 0..1; region_attention (B, Q, N) over the frontal film, each row sums to 1;
    attention_mask (B, S), False at the tokens of a missing film, or None where no film is missing;
    film_features (B, V, C), the mean backbone features of each film, zeros for a missing one;
    word_logits (B, W) and thumbnails (B, V * 24 * 24) of a model that decides findings first.
    """

    finding_logits: Tensor | None = None
    routing: Tensor | None = None
    region_attention: Tensor | None = None
    attention_mask: Tensor | None = None
    film_features: Tensor | None = None
    word_logits: Tensor | None = None
    thumbnails: Tensor | None = None


@dataclass
class ReportOutput(Seq2SeqLMOutput):
    """`loss` is the mean token cross-entropy (nats). The sums let a step of several micro-batches be weighted exactly.

    token_loss_sum: over `num_tokens` labels; finding_loss_sum: binary cross-entropy of a study, summed over its F
    findings and averaged over the R + 1 rows, then summed over studies; with that of the words of its report.
    """

    token_loss_sum: Tensor | None = None
    finding_loss_sum: Tensor | None = None
    num_tokens: Tensor | None = None


class VisualEncoder(nn.Module):
    """Images to the memory that the decoder attends to: findings, region and global tokens, visual tokens by film."""

    main_input_name = "pixel_values"

    def __init__(self, config: XR2TextConfig) -> None:
        super().__init__()
        width = config.bart["d_model"]
        self.images = ImageEncoder(
            config.encoder, config.image_size, config.encoder_options, config.pixel_mean, config.pixel_std,
            config.largest_grid,
        )  # fmt: skip
        self.project = nn.Linear(self.images.channels, width)
        self.norm = nn.LayerNorm(width)
        self.regions = RegionQueries(
            self.images.channels, width, config.bart["decoder_attention_heads"], config.num_global_queries
        )
        self.head = RegionHead(width, len(config.findings))
        self.lateral = nn.Parameter(torch.randn(width) * width**-0.5) if config.views == "all" else None
        self.is_shielded = config.teach_encoder == "findings"
        self.study = StudyHead(config, self.images.channels) if config.findings_first else None

    def forward(
        self,
        pixel_values: Tensor,
        film_mask: Tensor | None = None,
        finding_states: Tensor | None = None,
        features: Tensor | None = None,
        **_: Any,
    ) -> VisualOutput:
        """Images (B, 1, H, H), the frontal film of each study, or (B, V, 1, H, H), the lateral one second; values 0..1.

        `film_mask` (B, V), bool, says which films are there, all without it; a mask on the host spares a GPU a wait.
        The decoder is told `finding_states` (B, F), or else what the study head decides.
        With `features` (B, V, N, C), what the backbone sees in these films, it is not asked again.
        ValueError for more films than the model knows, and for a study without its frontal film.
        """
        films = pixel_values if pixel_values.ndim == 5 else pixel_values[:, None]
        num_studies, num_views = films.shape[:2]
        self._check(num_views, film_mask)
        if features is None:
            features = self._features(films.transpose(0, 1).flatten(0, 1), film_mask)  # (V * B, N, C), view by view
        else:
            features = features.transpose(0, 1).flatten(0, 1).to(films)
        seen = features.detach() if self.is_shielded else features
        tokens = self.norm(self.project(seen))  # (V * B, N, D)
        tokens = tokens + position_encoding(tokens.shape[1], tokens.shape[2], tokens.device)
        frontal, lateral = tokens[:num_studies], tokens[num_studies:]
        queries, attention = self.regions(seen[:num_studies], frontal, film_box(films[:, 0]))
        routed, logits, routing = self.head(queries, self.regions.num_regions)
        memory = [routed, frontal] if num_views == 1 else [routed, frontal, lateral + self.lateral]
        output = VisualOutput(
            last_hidden_state=torch.cat(memory, 1),
            finding_logits=logits,
            routing=routing,
            region_attention=attention,
            attention_mask=None if film_mask is None else _token_mask(film_mask, memory),
            film_features=features.mean(1).view(num_views, num_studies, -1).transpose(0, 1),
        )
        return output if self.study is None else self._with_study(output, self.study, films, film_mask, finding_states)

    def _with_study(
        self, seen: VisualOutput, study: StudyHead, films: Tensor, film_mask: Tensor | None, states: Tensor | None
    ) -> VisualOutput:
        """Add what the whole study shows, and tell it to the decoder."""
        assert seen.last_hidden_state is not None and seen.finding_logits is not None
        seen.thumbnails = study.thumbnails.pixels(films, film_mask)
        logits, seen.word_logits = study(seen.film_features, seen.thumbnails)
        if not self.is_shielded:
            logits = logits + seen.finding_logits[:, -1]
        seen.finding_logits = torch.cat([seen.finding_logits[:, :-1], logits.unsqueeze(1)], 1)
        told = study.tell(study.decision.states(logits) if states is None else states)
        seen.last_hidden_state = torch.cat([told.to(seen.last_hidden_state), seen.last_hidden_state], 1)
        if seen.attention_mask is not None:
            seen.attention_mask = functional.pad(seen.attention_mask, (told.shape[1], 0), value=True)
        return seen

    def _check(self, num_views: int, film_mask: Tensor | None) -> None:
        most = 1 if self.lateral is None else 2
        if num_views > most:
            raise ValueError(f"pixel_values hold {num_views} films of a study; this model sees {most} at most")
        if film_mask is not None and film_mask.is_cpu and not film_mask[:, 0].all():  # to ask a GPU would be to wait
            raise ValueError(
                "film_mask lacks the frontal film of a study, the first one; only the lateral may be missing"
            )

    def _features(self, films: Tensor, film_mask: Tensor | None) -> Tensor:
        """Backbone features (V * B, N, C) of films (V * B, 1, H, H), view by view; a missing film is not encoded."""
        places = (
            None if film_mask is None else film_mask.T.flatten().nonzero()[:, 0].to(films.device, non_blocking=True)
        )
        found: Tensor = self.images(films if places is None else films[places])
        if places is None:
            return found
        return found.new_zeros(len(films), *found.shape[1:]).index_copy(0, places, found)


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
        features: Tensor | None = None,
        **kwargs: Any,
    ) -> ReportOutput:
        """Images, `film_mask`, `features` as in VisualEncoder, or their `encoder_outputs`, and the report -> logits.

        With `labels` (B, T; padding is -100) the decoder input is derived from them and losses are returned instead of
        logits, computed only where there is a label. `finding_labels` (B, R + 1, F), 0..1, add the loss of the regions.
        The decoder is then told those of the whole study, as wrong as `state_draws` (B, 2, F), 0..1, make them.
        A caller who knows the number of labels spares a GPU the wait for it.
        """
        if encoder_outputs is None:
            states = None
            if self.encoder.study is not None and finding_labels is not None:
                states = self.encoder.study.decision.taught_states(finding_labels[:, -1], state_draws)
            encoder_outputs = self.encoder(pixel_values, film_mask, states, features)
        if labels is not None:
            pad, start = self.config.pad_token_id, self.config.decoder_start_token_id
            decoder_input_ids = shift_tokens_right(labels, pad, start)
        decoded = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoder_outputs[0],
            encoder_attention_mask=_added_to_attention(encoder_outputs),
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
        logits = self.lm_head(hidden.flatten(0, 1)[places])  # (tokens, vocabulary)
        output.token_loss_sum = functional.cross_entropy(logits.float(), labels.flatten()[places], reduction="sum")
        output.num_tokens = torch.tensor(len(places))
        output.loss = output.token_loss_sum / len(places)
        if finding_labels is not None and seen.finding_logits is not None:
            losses = functional.binary_cross_entropy_with_logits(
                seen.finding_logits.float(), finding_labels, reduction="none"
            )
            output.finding_loss_sum = losses.sum(2).mean(1).sum()
            if self.encoder.study is not None and seen.word_logits is not None:
                output.finding_loss_sum += self.encoder.study.films.word_loss(seen.word_logits, labels)
        return output


def _token_mask(film_mask: Tensor, memory: Sequence[Tensor]) -> Tensor:
    """Which tokens of the memory are there (B, S): its parts are the region tokens, then those of each film."""
    of_films = film_mask.to(memory[0].device, torch.bool, non_blocking=True).unbind(1)
    is_there = (torch.ones_like(of_films[0]), *of_films)  # (B,) each
    return torch.cat([each[:, None].expand(-1, part.shape[1]) for each, part in zip(is_there, memory, strict=True)], 1)


def _added_to_attention(seen: VisualOutput) -> Tensor | None:
    """The mask of the memory as the decoder adds it to its attention, (B, 1, 1, S): prepared here, because transformers
    would ask a GPU whether anything is masked."""
    mask = getattr(seen, "attention_mask", None)
    if mask is None:
        return None
    added = torch.zeros(mask.shape, dtype=seen[0].dtype, device=mask.device)
    return added.masked_fill(~mask, -torch.inf)[:, None, None]
