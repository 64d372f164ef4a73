"""Memory is counted as it will be taken, and time follows the stages of the curriculum."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import BartConfig

from xr2text_core.checks import speed as speed_module
from xr2text_core.checks.estimates import (
    GIB,
    checkpoint_bytes,
    estimate_memory,
    estimate_time,
    planned_config,
    tokens_of_film,
)
from xr2text_core.checks.speed import Sample, Speed, _Bench, draw_sample, measure_speed
from xr2text_core.data.readers import phantom
from xr2text_core.data.study import Dataset, DatasetError
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.film_head import NUM_WORDS
from xr2text_core.model.regions import CELLS
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.settings import Settings

TINY = ["--num-studies", "24", "--val-studies", "6", "--image-size", "64", "--max-tokens", "32", "--batch", "4"]


def settings(*flags: str) -> Settings:
    return settings_of(parse_arguments(flags))


@pytest.fixture(scope="module")
def tiny() -> Settings:
    return settings(*TINY, "--accumulation", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return phantom.read(num_train=24, num_val=8, num_test=0)


@pytest.fixture(scope="module")
def sample(tiny: Settings, dataset: Dataset) -> Sample:
    return draw_sample(dataset, tiny)


def count_parameters(config: XR2TextConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in XR2TextModel(config).parameters())


def kept_by_a_real_forward(model: XR2TextModel, num_studies: int, num_tokens: int) -> int:
    """Bytes that autograd keeps of a forward pass that is really computed."""
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    config = model.config
    size, num_places = config.image_size, {"frontal": 1, "all": 2}[config.views] + config.prior
    texts = {"question_ids": torch.ones(num_studies, 48, dtype=torch.long)} if config.indication else {}
    if config.prior:
        texts["prior_report_ids"] = torch.ones(num_studies, 96, dtype=torch.long) * 2
        texts["prior_days"] = torch.ones(num_studies)
        texts["prior_findings"] = torch.ones(num_studies, len(config.findings), dtype=torch.long)
    tokens = torch.ones(num_studies, num_tokens, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model.train()(
            pixel_values=torch.rand(num_studies, num_places, 1, size, size),
            decoder_input_ids=tokens,
            use_cache=False,
            **texts,
        ).logits
        functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    return sum(storage.nbytes() for key, storage in kept.items() if key not in weights)


@pytest.mark.parametrize(("views", "reads"), [("frontal", False), ("all", False), ("frontal", True), ("all", True)])
def test_what_is_counted_on_paper_is_what_a_forward_pass_keeps(tiny: Settings, views: str, reads: bool) -> None:
    tiny = replace(tiny, views=views, indication=reads, prior=reads)
    config = planned_config(tiny, vocabulary=300)
    counted = estimate_memory(config, tiny).activations
    kept = kept_by_a_real_forward(XR2TextModel(config), tiny.micro_batch, tiny.max_tokens)
    assert counted == pytest.approx(kept, rel=0.01)


def test_the_laptop_preset_fits_into_eight_gigabytes() -> None:
    laptop = settings("--preset", "laptop")
    config = planned_config(laptop)
    assert count_parameters(config) == pytest.approx(189e6, rel=0.01)
    memory = estimate_memory(config, laptop)
    assert memory.state < memory.total <= 7.0 * GIB
    # One film, nothing frozen: 1.56 GB for the encoder and 0.44 GB for the decoder, counted by running both in bfloat16
    one = replace(laptop, views="frontal", freeze_stages=0)
    assert 2.0e9 < estimate_memory(planned_config(one), one).activations < 2.3e9


def test_frozen_stages_keep_no_activations_moments_and_gradients(tiny: Settings) -> None:
    tiny = replace(tiny, encoder="test_convnext", freeze_stages=2)
    config = planned_config(tiny, vocabulary=300)
    model = XR2TextModel(config)
    model.freeze(2)
    frozen = sum(each.numel() for each in model.parameters() if not each.requires_grad)
    free = replace(tiny, freeze_stages=0)
    found, all_trained = estimate_memory(config, tiny), estimate_memory(config, free)
    assert frozen > 0 and all_trained.state - found.state == 12 * frozen
    assert found.activations == pytest.approx(
        kept_by_a_real_forward(model, tiny.micro_batch, tiny.max_tokens), rel=0.01
    )
    assert found.activations < 0.9 * all_trained.activations
    assert checkpoint_bytes(config, free) - checkpoint_bytes(config, tiny) == 8 * frozen


def test_cached_tokens_wait_on_the_card_and_the_encoder_keeps_nothing(tiny: Settings) -> None:
    frozen = replace(tiny, encoder="test_convnext", freeze_encoder=True)
    cached = replace(frozen, cache_tokens=True)
    config = planned_config(cached)
    num_tokens, width = tokens_of_film(config, cached)
    without, found = estimate_memory(config, frozen), estimate_memory(config, cached)
    assert found.images - without.images == 2 * num_tokens * width * cached.effective_batch
    assert found.activations <= without.activations == pytest.approx(found.activations, rel=0.02)


def test_a_lateral_film_takes_memory_of_its_own_and_weights_for_its_places_alone(tiny: Settings) -> None:
    one, two = (estimate_memory(planned_config(each), each) for each in (tiny, replace(tiny, views="all")))
    config = planned_config(tiny)
    with torch.device("meta"):
        channels = XR2TextModel(config).encoder.images.channels
    width, num_queries = config.bart["d_model"], len(REGIONS) + config.num_global_queries
    places = len(REGIONS) * 2 * 4
    of_regions = places * (1 + width + 1) + num_queries * width * CELLS**2  # where they lie, refined; their templates
    added = width + of_regions + channels * (len(FINDINGS) + NUM_WORDS)
    assert (two.images, two.state) == (2 * one.images, one.state + 16 * added)
    assert one.activations < two.activations < 2 * one.activations


def test_steps_with_one_film_or_two_are_measured(tiny: Settings, sample: Sample) -> None:
    films = [each * (1 + number % 2) for number, each in enumerate(sample.train.images)]
    both, few = replace(tiny, views="all"), replace(sample, train=replace(sample.train, images=films))
    assert measure_speed(both, planned_config(both, len(few.tokenizer)), few).study_s > 0


def test_steps_with_all_that_lies_on_a_desk_are_measured(tiny: Settings) -> None:
    tiny = replace(tiny, views="all", indication=True, prior=True, desk=True)
    drawn = draw_sample(phantom.read(num_train=24, num_val=8, num_test=0, desk=True), tiny)
    assert measure_speed(tiny, planned_config(tiny, len(drawn.tokenizer)), drawn).study_s > 0
    with pytest.raises(DatasetError, match="--prior: none of the 24 training studies has an earlier study"):
        draw_sample(phantom.read(num_train=24, num_val=8, num_test=0), replace(tiny, indication=False))


def test_fewer_studies_at_once_take_less_and_fp32_takes_more(tiny: Settings) -> None:
    config, many = planned_config(tiny), replace(tiny, micro_batch=32)
    few = estimate_memory(config, tiny)
    assert few.total < estimate_memory(config, many).total
    assert few.state == 16 * count_parameters(config)
    assert estimate_memory(config, replace(many, precision="fp16")).total < estimate_memory(config, many).total


def test_a_frozen_encoder_takes_its_weights_alone(tiny: Settings) -> None:
    config, frozen = planned_config(tiny), replace(tiny, freeze_encoder=True)
    with torch.device("meta"):
        encoder = sum(parameter.numel() for parameter in XR2TextModel(config).encoder.images.parameters())
    before, after = estimate_memory(config, tiny), estimate_memory(config, frozen)
    assert before.state - after.state == 12 * encoder
    assert after.activations < before.activations
    assert checkpoint_bytes(config, tiny) - checkpoint_bytes(config, frozen) == 8 * encoder


def test_counting_leaves_autocast_and_the_default_device_as_they_were(tiny: Settings) -> None:
    estimate_memory(planned_config(tiny), replace(tiny, precision="bf16"))
    assert torch.zeros(1).device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def test_a_decoder_that_is_not_here_counts_as_a_bart_base() -> None:
    laptop = settings("--preset", "laptop", "--decoder", "no-such-owner/no-such-model")
    assert planned_config(laptop).bart["vocab_size"] == 50265
    assert planned_config(laptop).bart["decoder_layers"] == 6


def test_a_decoder_in_a_folder_counts_with_its_own_sizes(tmp_path: Path) -> None:
    BartConfig(vocab_size=700, d_model=32, decoder_layers=1, decoder_attention_heads=2).save_pretrained(tmp_path)
    here = settings("--preset", "laptop", "--decoder", str(tmp_path))
    config = planned_config(here)
    assert (config.bart["vocab_size"], config.bart["decoder_layers"]) == (700, 1)


def test_the_stages_of_the_curriculum_count_in_the_time_of_a_run(tiny: Settings, sample: Sample) -> None:
    speed = Speed(1.0, 0.5, 0.1, num_steps=1, studies_in_step=8, micro_batch=4, peak_bytes=None)
    with_stages = estimate_time(tiny, sample, speed, num_new_images=0)
    without = estimate_time(replace(tiny, curriculum=False), sample, speed, num_new_images=0)
    assert list(with_stages.epoch_s) == ["normal_cases", "single_region", "multi_region", "complex_cases"]
    assert list(with_stages.epoch_s.values()) == sorted(with_stages.epoch_s.values())
    assert without.epoch_s == {"all_cases": 24 * 1.0 + 6 * 0.5}
    assert without.run_s == 50 * without.epoch_s["all_cases"] > with_stages.run_s
    assert without.decoding_s == 0


def test_a_sample_stands_for_the_whole_data_set(
    tiny: Settings, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_module, "SAMPLE_STUDIES", 10)
    few = draw_sample(dataset, tiny)
    assert (len(few.train), few.num_train, few.num_val) == (8, 24, 6)
    speed = Speed(1.0, 0.0, 0.0, num_steps=1, studies_in_step=8, micro_batch=4, peak_bytes=None)
    assert estimate_time(replace(tiny, curriculum=False), few, speed, 0).epoch_s == {"all_cases": 24.0}


def test_a_split_without_the_wanted_section_is_an_error(tiny: Settings) -> None:
    with pytest.raises(DatasetError, match="no study belongs to val"):
        draw_sample(phantom.read(num_train=4, num_val=0, num_test=0), tiny)


@pytest.mark.parametrize(("slow_s", "studies"), [(0.0, 4), (float("inf"), 8)])
def test_steps_are_whole_unless_the_device_is_slow(
    tiny: Settings, sample: Sample, monkeypatch: pytest.MonkeyPatch, slow_s: float, studies: int
) -> None:
    monkeypatch.setattr(speed_module, "SLOW_S", slow_s)
    told: list[str] = []
    speed = measure_speed(tiny, planned_config(tiny, len(sample.tokenizer)), sample, told.append)
    assert speed.studies_in_step == studies
    assert min(speed.study_s, speed.report_s, speed.image_s, speed.num_steps) > 0
    assert (speed.micro_batch, speed.peak_bytes) == (4, None)
    assert told[0] == "reading images" and told[-1] == "writing reports"


def test_a_data_set_smaller_than_a_step_can_be_measured(tiny: Settings) -> None:
    few = draw_sample(phantom.read(num_train=2, num_val=1, num_test=0), tiny)
    assert measure_speed(tiny, planned_config(tiny, len(few.tokenizer)), few).studies_in_step == 2


def test_images_that_cannot_be_read_are_passed_over(
    tiny: Settings, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_module, "SLOW_S", float("inf"))
    broken = [("/no/such/image.png",), *sample.train.images[1:]]
    few = replace(sample, train=replace(sample.train, images=broken))
    assert measure_speed(tiny, planned_config(tiny, len(few.tokenizer)), few).studies_in_step == 8
    none = replace(sample, train=replace(sample.train, images=[("/no/such/image.png",)] * len(broken)))
    with pytest.raises(DatasetError, match="none of the first images"):
        measure_speed(tiny, planned_config(tiny), none)


def test_speed_is_measured_in_the_precision_of_a_run(
    tiny: Settings, sample: Sample, any_precision: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    made: list[XR2TextModel] = []
    dtypes: set[torch.dtype] = set()

    def make(config: XR2TextConfig) -> XR2TextModel:
        made.append(XR2TextModel(config))
        made[0].lm_head.register_forward_hook(lambda _, inputs, logits: dtypes.add(logits.dtype))
        return made[0]

    monkeypatch.setattr(speed_module, "XR2TextModel", make)
    measure_speed(replace(tiny, precision="bf16"), planned_config(tiny, len(sample.tokenizer)), sample)
    assert dtypes == {torch.bfloat16}


def test_the_peak_is_measured_with_all_films_that_a_study_may_have(tiny: Settings, sample: Sample) -> None:
    both = replace(tiny, views="all")
    bench = _Bench(both, planned_config(both, len(sample.tokenizer)))
    films = {0: [np.zeros((both.image_size, both.image_size), np.uint8)]}  # no study has a lateral film
    assert bench.batch(sample.train, films, 1, both.max_tokens).is_film.tolist() == [[True, True]]
    assert bench.batch(sample.train, films, 1).is_film.tolist() == [[True, False]]
