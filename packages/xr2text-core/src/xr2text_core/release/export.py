"""A checkpoint as a folder that transformers loads: model, tokenizer, image processor and model card."""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import GenerationConfig, PretrainedConfig, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from xr2text_core.inference.trained import model_from
from xr2text_core.release.image_processor import XR2TextImageProcessor
from xr2text_core.release.model_card import model_card
from xr2text_core.release.onnx import ONNX_FILE, write_onnx
from xr2text_core.release.origin import origin_of
from xr2text_core.report.tokenizer import SPECIAL_TOKENS
from xr2text_core.run.atomic import creating_folder
from xr2text_core.run.checkpoint import load_checkpoint
from xr2text_core.settings.settings import BEAMS


def export(checkpoint: Path, folder: Path, onnx: bool = False) -> None:
    """Raises CheckpointError, FileExistsError where `folder` is not empty, and OSError where it cannot be written.

    `onnx` adds the image encoder for use without PyTorch.
    """
    disable_progress_bar()
    with creating_folder(folder) as new:
        found = load_checkpoint(checkpoint)
        origin, model = origin_of(checkpoint, found), model_from(found)
        model.config.bart.pop("_name_or_path", None)  # may be a local path
        model.generation_config = generation_config(model.config, origin.settings.max_tokens)
        model.save_pretrained(new)
        fast_tokenizer(found.tokenizer, origin.settings.max_tokens).save_pretrained(new)
        XR2TextImageProcessor(model.config.image_size).save_pretrained(new)
        if onnx:
            write_onnx(model, new / ONNX_FILE)
        (new / "README.md").write_text(model_card(origin, model, onnx), encoding="utf-8")


def generation_config(config: PretrainedConfig, max_tokens: int) -> GenerationConfig:
    """The defaults of `generate`."""
    marks = ("bos_token_id", "pad_token_id", "eos_token_id", "decoder_start_token_id")
    return GenerationConfig(
        max_new_tokens=max_tokens, num_beams=BEAMS, do_sample=False, **{name: getattr(config, name) for name in marks}
    )


def fast_tokenizer(contents: str, max_tokens: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint for transformers: `tokenizer(text).input_ids` are those of training,
    but for the end mark that a truncated indication or last report keeps here."""
    tokenizer = Tokenizer.from_str(contents)
    start, padding, end, unknown = SPECIAL_TOKENS
    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        pad_token=padding,
        eos_token=end,
        unk_token=unknown,
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )
