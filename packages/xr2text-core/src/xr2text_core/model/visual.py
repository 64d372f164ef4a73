"""From the films of a study to the memory that the decoder attends to.

Shapes: B batch, V views, H image side, N visual tokens of a film, R regions, Q region and global queries, F findings,
S tokens of the memory, D width. Images are grey with values 0..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutput

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.encoder import ImageEncoder
from xr2text_core.model.film import film_box, on_device_of
from xr2text_core.model.last_study import Became, LastReport, LastStudy
from xr2text_core.model.regions import RegionHead, RegionQueries, SeenFilm, position_encoding
from xr2text_core.model.study_head import StudyHead
from xr2text_core.model.texts import TextEncoder
from xr2text_core.report.tokenizer import IGNORED


@dataclass
class VisualOutput(BaseModelOutput):
    """What the decoder attends to, and the outputs of the regions.

    last_hidden_state (B, S, D): the told findings (F) of a model that decides them first, Q region and global tokens,
    N of each film, and those of texts;
    finding_logits (B, R + 1, F), the last row for the whole study;
    routing (B, R), 0..1; region_attention (B, Q, N) over the frontal film, each row sums to 1;
    attention_mask (B, S), False at the tokens of what is missing, or None where nothing is;
    film_features (B, V, C), the mean backbone features of each film, zeros for a missing one;
    change_logits (B, F, C) of what became of each finding since the last study, where its film is given, and which
    studies have it, is_compared, bool (B,);
    own_logits (B, F), the finding logits of its own films alone, of a model that reads the last study;
    word_logits (B, W) and thumbnails (B, V * 24 * 24) of a model that decides findings first.
    """

    finding_logits: Tensor | None = None
    routing: Tensor | None = None
    region_attention: Tensor | None = None
    attention_mask: Tensor | None = None
    film_features: Tensor | None = None
    word_logits: Tensor | None = None
    change_logits: Tensor | None = None
    is_compared: Tensor | None = None
    own_logits: Tensor | None = None
    thumbnails: Tensor | None = None


class MemoryPart(NamedTuple):
    """Tokens (B, S, D) for the decoder, and which of them are there, bool (B, S) or (B,), None for all."""

    tokens: Tensor
    is_there: Tensor | None = None


class VisualEncoder(nn.Module):
    """A study to the memory that the decoder attends to: findings, region and global tokens, films, and texts."""

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
            self.images.channels,
            width,
            config.bart["decoder_attention_heads"],
            config.num_global_queries,
            knows_lateral=config.region_views == "all",
        )
        self.head = RegionHead(width, len(config.findings))
        self.lateral = nn.Parameter(torch.randn(width) * width**-0.5) if config.views == "all" else None
        self.is_shielded = config.teach_encoder == "findings"
        self.study = StudyHead(config, self.images.channels) if config.findings_first else None
        self.num_films, self.reads_question = config.num_films, config.indication
        self.texts = TextEncoder(config) if config.indication or config.prior else None
        self.last_study = LastStudy(config, len(self.regions.queries)) if config.prior else None

    def forward(
        self,
        pixel_values: Tensor,
        film_mask: Tensor | None = None,
        finding_states: Tensor | None = None,
        question_ids: Tensor | None = None,
        prior_report_ids: Tensor | None = None,
        prior_days: Tensor | None = None,
        prior_findings: Tensor | None = None,
        features: Tensor | None = None,
        **_: Any,
    ) -> VisualOutput:
        """Images (B, 1, H, H), the frontal film of each study, or (B, V, 1, H, H), values 0..1: the frontal film, with
        `views` "all" the lateral one, with `prior` the frontal one of the last study; places at the end may be absent.

        `film_mask` (B, V), bool, says which films are there, all without it; a mask on the host spares a GPU a wait.
        The decoder is told `finding_states` (B, F), or else what the study head decides.
        `question_ids` and `prior_report_ids` (B, T): the indications and the reports of the last studies as token ids,
        padded with the pad token or a negative number. `prior_days` (B,): between the studies, NaN where unknown.
        `prior_findings` (B, F): what the last reports say of each finding (`report.statements.finding_statements`).
        A last study is read where its film is there; without it none of the three is.
        With `features` (B, V, N, C), what the backbone sees in these images, it is not asked again.
        ValueError for more films than the model knows, for a study without its frontal film, and for unknown texts.
        """
        films = pixel_values if pixel_values.ndim == 5 else pixel_values[:, None]
        num_studies, num_places = films.shape[:2]
        self._check(num_places, film_mask)
        if features is None:
            features = self._features(films.transpose(0, 1).flatten(0, 1), film_mask)  # (V * B, N, C), place by place
            features = features.view(num_places, num_studies, *features.shape[1:])  # len() would fix it in ONNX
        else:
            features = features.to(films.dtype).transpose(0, 1)  # (V, B, N, C)
        seen = self._seen(films, features.detach() if self.is_shielded else features, film_mask)
        own, prior = seen[: self.num_films], seen[self.num_films :]
        read, attention = self.regions(seen[0])
        queries = self.regions.as_tokens(self.regions.with_lateral(read, own[1] if own[1:] else None))
        routed, logits, routing = self.head(queries, self.regions.num_regions)
        memory = [MemoryPart(routed), *(MemoryPart(film.tokens, film.is_there) for film in own)]
        memory += self._question(question_ids)
        report = LastReport(prior_report_ids, prior_findings, prior_days)
        last_study, became = self._last_study(read, prior[0] if prior else None, report)
        memory += last_study
        last_hidden_state, attention_mask = joined(memory)
        output = VisualOutput(
            last_hidden_state=last_hidden_state,
            finding_logits=logits,
            routing=routing,
            region_attention=attention,
            change_logits=None if became is None else became.logits,
            is_compared=None if became is None else became.is_compared,
            attention_mask=attention_mask,
            film_features=features[: self.num_films].mean(2).transpose(0, 1),
        )
        if self.study is None:
            return output
        own_mask = None if film_mask is None else film_mask[:, : self.num_films]
        return self._with_study(output, self.study, films[:, : self.num_films], own_mask, finding_states, became)

    def _seen(self, films: Tensor, features: Tensor, film_mask: Tensor | None) -> list[SeenFilm]:
        """What is seen of the films (B, V, 1, H, H) at each place, of their features (V, B, N, C)."""
        tokens = self.norm(self.project(features))  # (V, B, N, D)
        tokens = tokens + position_encoding(tokens.shape[2], tokens.shape[3], tokens.device)
        found = []
        for place, images in enumerate(films.unbind(1)):
            is_there = None if film_mask is None or place == 0 else on_device_of(tokens, film_mask[:, place])
            is_lateral = self.lateral is not None and place == 1
            its_tokens = tokens[place] + self.lateral if is_lateral else tokens[place]
            found.append(SeenFilm(features[place], its_tokens, film_box(images), is_there))
        return found

    def _question(self, question_ids: Tensor | None) -> list[MemoryPart]:
        """The indication, where it is given."""
        if question_ids is None:
            return []
        if self.texts is None or not self.reads_question:
            raise ValueError("question_ids are given to a model that reads no indication")
        return [MemoryPart(*self.texts(question_ids, "question_ids"))]

    def _last_study(
        self, read: Tensor, film: SeenFilm | None, report: LastReport
    ) -> tuple[list[MemoryPart], Became | None]:
        """The last study, where it is given, and what became of findings where its film is.

        `read` (B, Q, D): what regions read on the frontal films of this one.
        """
        if film is None and all(each is None for each in report):
            return [], None
        if self.last_study is None or self.texts is None:
            raise ValueError(
                "prior_report_ids, prior_findings or prior_days are given to a model that reads no last study"
            )
        has_film = torch.zeros(len(read), dtype=torch.bool, device=read.device)
        parts, became = [], None
        if film is not None:
            has_film = ~has_film if film.is_there is None else film.is_there
            now, before = (self.regions.as_tokens(each) for each in (read, self.regions(film)[0]))
            change = self.last_study.change(now, before)
            then, then_logits, _ = self.head(before, self.regions.num_regions)
            now_logits = self.head(now, self.regions.num_regions)[1]
            findings = torch.stack([now_logits[:, -1], then_logits[:, -1]], -1)
            became = Became(self.last_study.logits(change, findings, report.findings), has_film)
            seen_then = torch.cat([then, film.tokens], 1) + self.last_study.film
            parts = [MemoryPart(each, has_film) for each in (change, seen_then)]
        ids = read.new_zeros(len(read), 0, dtype=torch.long) if report.ids is None else report.ids
        ids = ids.masked_fill(~has_film[:, None], IGNORED)
        since = self.last_study.since(read.new_full((len(read),), torch.nan) if report.days is None else report.days)
        return [*parts, MemoryPart(*self.texts(ids, "prior_report_ids", since, has_film))], became

    def _with_study(
        self,
        seen: VisualOutput,
        study: StudyHead,
        films: Tensor,
        film_mask: Tensor | None,
        states: Tensor | None,
        became: Became | None,
    ) -> VisualOutput:
        """Add what the whole study shows, and tell it to the decoder."""
        assert seen.last_hidden_state is not None and seen.finding_logits is not None
        seen.thumbnails = study.thumbnails.pixels(films, film_mask)
        logits, seen.word_logits = study(seen.film_features, seen.thumbnails)
        if not self.is_shielded:
            logits = logits + seen.finding_logits[:, -1]
        if self.last_study is not None:
            seen.own_logits = logits  # films learn by these: what was there last time would spare them the looking
            logits = logits.detach()
            if became is not None:
                logits = logits + self.last_study.evidence(became)
        seen.finding_logits = torch.cat([seen.finding_logits[:, :-1], logits.unsqueeze(1)], 1)
        told = study.tell(study.decision.states(logits) if states is None else states)
        if self.last_study is not None and became is not None:
            told = told + self.last_study.tell(became)
        seen.last_hidden_state = torch.cat([told.to(seen.last_hidden_state), seen.last_hidden_state], 1)
        if seen.attention_mask is not None:
            seen.attention_mask = functional.pad(seen.attention_mask, (told.shape[1], 0), value=True)
        return seen

    def _check(self, num_places: int, film_mask: Tensor | None) -> None:
        most = self.num_films + (self.last_study is not None)
        if num_places > most:
            raise ValueError(f"pixel_values hold {num_places} films of a study; this model sees {most} at most")
        if film_mask is not None and film_mask.is_cpu and not film_mask[:, 0].all():  # to ask a GPU would be to wait
            raise ValueError("film_mask lacks the frontal film of a study, the first one; only others may be missing")

    def _features(self, films: Tensor, film_mask: Tensor | None) -> Tensor:
        """Backbone features (V * B, N, C) of films (V * B, 1, H, H), view by view; a missing film is not encoded."""
        places = None if film_mask is None else on_device_of(films, film_mask.T.flatten().nonzero()[:, 0])
        found: Tensor = self.images(films if places is None else films[places])
        if places is None:
            return found
        return found.new_zeros(len(films), *found.shape[1:]).index_copy(0, places, found)


def joined(parts: Sequence[MemoryPart]) -> tuple[Tensor, Tensor | None]:
    """The memory (B, S, D), and which of its tokens are there, bool (B, S), None where all are."""
    memory = torch.cat([part.tokens for part in parts], 1)
    if all(part.is_there is None for part in parts):
        return memory, None
    return memory, torch.cat([_token_mask(part) for part in parts], 1)


def _token_mask(part: MemoryPart) -> Tensor:
    shape, is_there = part.tokens.shape[:2], part.is_there
    if is_there is None:
        return torch.ones(shape, dtype=torch.bool, device=part.tokens.device)
    return (is_there if is_there.ndim == 2 else is_there[:, None]).expand(shape)
