"""The numbers that define a model, kept with its weights."""

from typing import Any

from transformers import PretrainedConfig

from xr2text_core.report.vocabulary import FINDINGS, REGIONS


class XR2TextConfig(PretrainedConfig):
    """Configuration of an `XR2TextModel`.

    encoder: timm name; encoder_options: further keyword arguments for it; image_size: pixels of a side;
    bart: the BartConfig of the decoder, as a dict; num_global_queries: learned queries that attend to the whole image;
    pixel_mean and pixel_std: what the encoder subtracts from grey values 0..1, and divides by;
    findings_first: a study head decides findings, and the decoder is told (False in models of version 0.1);
    teach_encoder: which losses reach the encoder, all or those of the findings;
    num_reports: training reports in the bank beside the model;
    largest_grid: tokens a side to which the feature map of the encoder is averaged where it has more, 0: never;
    views: "frontal", one film of a study, or "all", a lateral one beside it where there is one;
    region_views: the films that region queries attend to, "all" in new models with that many views;
    indication: whether it reads why the film was taken; prior: whether it reads the last study of the patient.
    """

    model_type = "xr2text"
    is_composition = False

    def __init__(
        self,
        encoder: str = "test_convnext",
        encoder_options: dict[str, Any] | None = None,
        image_size: int = 96,
        bart: dict[str, Any] | None = None,
        num_global_queries: int = 4,
        findings: list[str] | None = None,
        regions: list[str] | None = None,
        pixel_mean: float = 0.5,
        pixel_std: float = 0.25,
        findings_first: bool = False,
        teach_encoder: str = "all",
        num_reports: int = 0,
        views: str = "frontal",
        region_views: str = "frontal",
        indication: bool = False,
        prior: bool = False,
        largest_grid: int = 0,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder
        self.encoder_options = encoder_options or {}
        self.image_size = image_size
        self.bart = bart or {}
        self.num_global_queries = num_global_queries
        self.findings = list(findings or FINDINGS)
        self.regions = list(regions or REGIONS)
        self.pixel_mean = pixel_mean
        self.pixel_std = pixel_std
        self.findings_first = findings_first
        self.teach_encoder = teach_encoder
        self.num_reports = num_reports
        self.views = views
        self.region_views = region_views
        self.indication = indication
        self.prior = prior
        self.largest_grid = largest_grid
        if bart:
            for name in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
                kwargs.setdefault(name, bart[name])
            kwargs.setdefault("num_hidden_layers", bart["decoder_layers"])
            kwargs.setdefault("hidden_size", bart["d_model"])
            kwargs.setdefault("num_attention_heads", bart["decoder_attention_heads"])
        kwargs.setdefault("is_encoder_decoder", True)
        kwargs.setdefault("tie_word_embeddings", True)
        super().__init__(**kwargs)

    @property
    def num_films(self) -> int:
        """Of a study, at most."""
        return 2 if self.views == "all" else 1

    @property
    def num_places(self) -> int:
        """For films in a batch: those of a study, and one for the frontal film of the last study."""
        return self.num_films + self.prior
