"""The README.md of an exported model: what it is, how it was trained and scored, how to load it, what it cannot do.

It is meant to be shared, so it may hold no path, host, run name or report text.
"""

import re
from collections.abc import Mapping

from huggingface_hub import ModelCardData
from transformers import PretrainedConfig

from xr2text_core import __version__
from xr2text_core.inference.reading import pen_of
from xr2text_core.metrics.protocols import describe
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.release.origin import Origin
from xr2text_core.settings.settings import Settings
from xr2text_core.training.description import versions

HEADER = ModelCardData(
    language="en",
    library_name="transformers",
    pipeline_tag="image-to-text",
    tags=["xr2text", "chest-x-ray", "radiology-report-generation"],
)
HEAD = f"""\
---
{HEADER}
---

# XR2Text: reports for chest X-rays

**Research software, not a medical device.** No report from this model may be used in the care of a patient.
"""
LOADING = """\
## How to load it

With the package `xr2text-core` installed:

```python
import torch
import xr2text_core.auto  # registers this model with transformers
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

folder = "."  # the folder of this file
model = AutoModel.from_pretrained(folder).eval()
processor = AutoImageProcessor.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)

pixels = processor("image.png")["pixel_values"]
ids = model.generate(pixel_values=pixels)
print(tokenizer.decode(ids[0], skip_special_tokens=True).strip())
```

The weights are in `model.safetensors`, which holds numbers only; pickled weights (`.bin`) are not loaded.
"""
BOTH_FILMS = """\
It was trained on both films of a study. `pixels` above are frontal films alone; with lateral ones beside them:

```python
both = torch.stack([processor(["a_frontal.png", "b_frontal.png"])["pixel_values"],
                    processor(["a_lateral.png", "b_frontal.png"])["pixel_values"]], dim=1)
film_mask = torch.tensor([[True, True], [True, False]])  # the second study has no lateral film: its place is not read
ids = model.generate(pixel_values=both, film_mask=film_mask)
```
"""
INDICATION = """\
It was trained to read why the film was taken, where somebody says:

```python
question = tokenizer(["Cough and fever."], truncation=True, max_length=48, padding=True, return_tensors="pt")
ids = model.generate(pixel_values=pixels, question_ids=question["input_ids"])
```
"""
PRIOR = """\
It was trained to read the last study of the patient, where there is one: its frontal film at the last place of
`pixel_values` (studies, {places}, 1, size, size), its report, what that says of each finding, and the days since.
Places without a film are not read:

```python
from xr2text_core.report.statements import finding_statements
films = torch.stack([{others}, processor("last.png")["pixel_values"]], dim=1)
film_mask = torch.tensor([[{mask}, True]])
last = tokenizer(["The lungs are clear."], truncation=True, max_length=96, padding=True, return_tensors="pt")
said = torch.tensor([finding_statements("The lungs are clear.")])
ids = model.generate(pixel_values=films, film_mask=film_mask, prior_report_ids=last["input_ids"],
                     prior_findings=said, prior_days=torch.tensor([12.0]))
```
"""
COMPOSED = """\
These are the reports of its decoder. `python -m xr2text_core.generate` writes others: on validation studies, reports
that are edited or composed to say exactly the findings that the image head decides did better. They need training
reports, which the checkpoint holds and this folder does not.
"""
ONNX = """\
`encoder.onnx` runs without PyTorch and generates no reports: `pixel_values` (images, 1, size, size) in, frontal ones,
and out come
`finding_logits` (images, regions + 1, findings), the last row for the whole image, and `region_attention` (images,
regions and further queries, cells of the image row by row). `config.json` names the regions and the findings.
"""
LIMITS = """\
## Limits

- It sees {seen}.
- It tends to write what reports usually say, even where the image shows otherwise. A score without trivial baselines
  (`python -m xr2text_core.evaluate`) does not show that the model uses the image.
- BLEU, ROUGE-L and CIDEr compare words, not diagnoses. Label F1 compares findings that our own rule labeler reads
  in both reports; it is not CheXbert.
- Weights and vocabulary come from reports and may reproduce parts of them. Share them only where the terms of the
  data set allow it.
"""
FILMS = {
    "frontal": "one frontal image of a study: no lateral view",
    "all": "a frontal and a lateral image of a study",
}
PHANTOM = """\
- It was trained on drawn phantoms only. It knows nothing of real radiographs.
"""
SECTIONS = {"findings": "findings", "impression": "impression", "both": "findings and the impression"}
SCORES = {
    "BLEU-1": "bleu_1",
    "BLEU-2": "bleu_2",
    "BLEU-3": "bleu_3",
    "BLEU-4": "bleu_4",
    "ROUGE-L": "rouge_l",
    "CIDEr": "cider",
    "label F1": "clinical_f1",
    "distinct reports": "distinct_reports",
    "loss (nats per token)": "val_loss",
}


def model_card(origin: Origin, model: XR2TextModel, has_onnx: bool) -> str:
    """The card of the model of a checkpoint, as Markdown with the header of the Hugging Face hub."""
    loading = "\n".join(
        [
            LOADING,
            *([COMPOSED] if pen_of(model) != "decoder" else []),
            *([BOTH_FILMS] if model.config.views == "all" else []),
            *([INDICATION] if model.config.indication else []),
            *([_prior(model.config.num_places)] if model.config.prior else []),
            *([ONNX] if has_onnx else []),
        ]
    )
    limits = LIMITS.format(seen=_seen(model.config)) + (PHANTOM if origin.settings.data == "phantom" else "")
    return "\n".join(
        [HEAD, _what_it_is(origin, model), _training(origin), _scores(origin), loading, limits, _made_with(origin)]
    )


def _prior(num_places: int) -> str:
    others, mask = (("pixels", "pixels"), "True, False") if num_places == 3 else (("pixels",), "True")
    return PRIOR.format(places=num_places, others=", ".join(others), mask=mask)


def _seen(config: PretrainedConfig) -> str:
    """What it reads of a study, and what it does not."""
    question = "the question of the referring physician, where there is one" if config.indication else ""
    prior = "the last study of the patient, where there is one" if config.prior else ""
    lacks = ["no earlier study"] * (not prior) + ["no question of the referring physician"] * (not question)
    return ", ".join(filter(None, [FILMS[config.views], question, prior, *lacks]))


def _what_it_is(origin: Origin, model: XR2TextModel) -> str:
    config, settings = model.config, origin.settings
    size = f"{config.image_size} x {config.image_size}"
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    return (
        f"It writes the {SECTIONS[settings.section]} of a report for a grey image of {size} pixels, "
        f"at most {settings.max_tokens} tokens long. {millions:.1f} M parameters: the image encoder "
        f"`{config.encoder}` (timm), queries for {len(config.regions)} anatomical regions, and a decoder of the BART "
        f"family with {config.bart['decoder_layers']} layers of width {config.bart['d_model']}.\n"
    )


def _training(origin: Origin) -> str:
    settings, progress = origin.settings, origin.progress
    sizes = origin.run.get("data", {}).get("splits", {})
    epoch = f"in epoch {progress.epoch}" if origin.is_within_epoch else f"after epoch {progress.epoch - 1}"
    return "## Training\n\n" + _table(
        {
            "data set": settings.data,
            "studies": ", ".join(f"{count} {split}" for split, count in sizes.items()) or "not recorded",
            "section of the reports": settings.section,
            "weights": f"`{origin.checkpoint}`: {epoch} of {settings.epochs}, {progress.step} updates",
            "started from": _start(settings),
            "curriculum": f"yes, replay {settings.replay:g}" if settings.curriculum else "no",
            "studies per update": f"{settings.effective_batch} ({settings.micro_batch} x {settings.accumulation})",
            "peak learning rates": f"encoder {settings.encoder_rate:g}, decoder {settings.decoder_rate:g}, "
            f"new layers {settings.new_rate:g}",
            "weight decay": f"{settings.weight_decay:g}",
            "weight of the finding loss": f"{settings.finding_weight:g}",
            "precision on a GPU": settings.precision,
            "seed": str(settings.seed),
            **({"seed of the phantoms": str(settings.phantom_seed)} if settings.data == "phantom" else {}),
            "device": origin.run.get("device", "not recorded"),
        }
    )


def _start(settings: Settings) -> str:
    """Names hub models, but no local folders."""
    if settings.pretrained == "none":
        return "random weights"
    kept = ", kept frozen" if settings.freeze_encoder else ""
    encoder = _origin_of(settings.encoder) if settings.is_encoder_pretrained else "random"
    decoder = _origin_of(settings.decoder) if settings.is_decoder_pretrained else "random"
    return f"pretrained weights: encoder {encoder}{kept}, decoder {decoder}"


def _origin_of(half: str) -> str:
    return f"`{half}`" if re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", half) else "local weights"


def _scores(origin: Origin) -> str:
    if not origin.row:
        why = "the weights are from within an epoch" if origin.is_within_epoch else "the checkpoint keeps no scores"
        return f"## Scores\n\nNot recorded: {why}. `python -m xr2text_core.evaluate` scores a checkpoint.\n"
    protocol = origin.run.get("protocol", {})
    about = {
        "scored on": f"the validation split, at most {origin.settings.val_studies} studies",
        "section": protocol.get("section", origin.settings.section),
        "decoding": protocol.get("decoding", "not recorded"),
        "protocol": describe(protocol["text"]) if protocol.get("text") else "not recorded: not comparable",
    }
    scores = {name: origin.row.get(column) or "not measured" for name, column in SCORES.items()}
    return (
        f"## Scores after epoch {origin.row['epoch']}\n\n{_table(about | scores)}\n"
        "The best model is selected on these studies, so scores on unseen ones are a little lower.\n"
    )


def _made_with(origin: Origin) -> str:
    trained = {"xr2text-core": origin.version, **origin.run.get("versions", {})}
    exported = {"xr2text-core": __version__, **versions()}
    return f"## Versions\n\nTrained with {_listed(trained)}. Exported with {_listed(exported)}.\n"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _table(cells: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in cells.items()), ""])
