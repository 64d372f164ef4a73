"""Ours beside transformers' Seq2SeqTrainer with a VisionEncoderDecoderModel: the same studies, the same sizes.

    python benchmarks/peers.py [--quick] [--rounds 3]

Both train a ViT (width 128, 4 layers, patches of 16 on 96 px) and a BART decoder (width 128, 2 layers) from scratch,
8 x 4 studies per update, AdamW, a checkpoint each epoch, on PNGs of 512 px that are drawn phantoms. Ours has region
queries and a finding head more, and augments. The peer decodes with Pillow every epoch, as its examples do, or, in
the third column, finds all its tensors in memory. Then both write reports with 3 beams, 64 studies at a time; the end
mark is made impossible in both, so that all reports have --max-tokens tokens. Each side runs in processes of its own,
in turns; medians. Start-up is from the command to the end of the first step, with nothing decoded before.
"""

import argparse
import csv
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIDES = ("ours", "peer, Pillow", "peer, in memory")
SIZE, FILM_SIZE, MAX_TOKENS, BEAMS, AT_ONCE = 96, 512, 60, 3, 64
BATCH, ACCUMULATION = 8, 4
VIT = {"architecture": "vit_tiny_patch16_224", "model_args": {"embed_dim": 128, "depth": 4, "num_heads": 4}}
BART = {"model_type": "bart", "d_model": 128, "decoder_layers": 2, "decoder_attention_heads": 4,
        "decoder_ffn_dim": 512, "max_position_embeddings": 128}  # fmt: skip
ROWS = {  # of the table: what a side says of itself -> title, and whether more is better
    "studies_per_s": ("training, studies/s", True),
    "reports_per_s": ("validation, reports/s", True),
    "peak_mib": ("peak memory, MiB", False),
    "start_up_s": ("start-up, s", False),
}


def make_studies(folder: Path, num_train: int, num_test: int) -> None:
    """PNGs and a manifest of drawn phantoms, and the sizes of both halves of the model."""
    from PIL import Image

    from xr2text_core.drawing.names import draw_image
    from xr2text_core.drawing.scene import sample_scene
    from xr2text_core.drawing.writing import write_report

    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["study_id", "patient_id", "image", "report", "split"])
        for number in range(num_train + 4 + num_test):
            split = "train" if number < num_train else "val" if number < num_train + 4 else "test"
            Image.fromarray(draw_image(f"phantom:0/{number}", FILM_SIZE)).save(folder / f"{number}.png")
            report = write_report(sample_scene(0, number)).findings
            rows.writerow([number, number, f"{number}.png", report, split])
    for name, config in (("vit", VIT), ("bart", BART)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))


def never_end(head: Any, end_id: int) -> Any:
    """The layer that gives the logits, with an end mark that cannot win."""
    import torch

    new = torch.nn.Linear(head.in_features, head.out_features)
    with torch.no_grad():
        new.weight.copy_(head.weight)
        new.bias.zero_()[end_id] = -1e4
    return new


def peak_mib() -> float:
    """The largest resident memory that this process had."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset / 2**20)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def say(**values: float) -> None:
    """A line for the process that started this one."""
    print("@" + json.dumps(values), flush=True)


# -- ours


def ours(folder: Path, epochs: int) -> None:
    gc.disable()  # here and below as `python -m xr2text_core.train` does
    from timed import TimedTrainer

    from xr2text_core.inference.evaluation import evaluate
    from xr2text_core.inference.trained import TrainedModel

    gc.freeze()

    class Announcing(TimedTrainer):
        def _show(self, *arguments: Any) -> None:
            super()._show(*arguments)
            if self.progress.step == 1:
                say(first_step=1)

    flags = ["--data", "manifest", "--root", str(folder), "--encoder", str(folder / "vit")]
    flags += ["--decoder", str(folder / "bart"), "--pretrained", "none", "--image-size", str(SIZE)]
    flags += ["--max-tokens", str(MAX_TOKENS), "--batch", str(BATCH), "--accumulation", str(ACCUMULATION)]
    flags += ["--epochs", str(epochs), "--device", "cpu", "--no-curriculum", "--out", str(folder / "ours")]
    trainer = Announcing(flags)
    trainer.fit()
    trained = TrainedModel(trainer.model, trainer.data.tokenizer, trainer.settings, trainer.parts.accelerator.device)
    batches = trained.batches(trainer.data.dataset.split("test"))
    trainer.model.lm_head = never_end(trainer.model.lm_head, trainer.model.config.eos_token_id)
    started = time.perf_counter()
    evaluate(trainer.model, trained.tokenizer, batches, MAX_TOKENS, "clean-full", BEAMS)
    reports_per_s = len(batches.studies) / (time.perf_counter() - started)
    num_studies = len(trainer.data.train) / statistics.median(trainer.epochs_s[1:])
    say(studies_per_s=num_studies, reports_per_s=reports_per_s, peak_mib=peak_mib())


# -- the peer


def peer(folder: Path, epochs: int, in_memory: bool) -> None:
    import numpy as np
    import torch
    from PIL import Image
    from transformers import (
        BartConfig,
        BartForCausalLM,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        TrainerCallback,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTModel,
    )

    from xr2text_core.report.tokenizer import ReportTokenizer

    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tokenizer = ReportTokenizer.learn([row["report"] for row in rows if row["split"] == "train"])

    def study(row: dict[str, str]) -> dict[str, Any]:
        image = Image.open(folder / row["image"]).convert("L").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy((np.asarray(image, dtype=np.float32) / 255 - 0.5) / 0.25)
        return {"pixel_values": pixels[None], "labels": tokenizer.encode([row["report"]], MAX_TOKENS)[0]}

    class Studies(torch.utils.data.Dataset[dict[str, Any]]):
        def __init__(self, split: str) -> None:
            self.rows = [row for row in rows if row["split"] == split]
            self.ready = [study(row) for row in self.rows] if in_memory else None

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> dict[str, Any]:
            return self.ready[index] if self.ready else study(self.rows[index])

    def collate(studies: list[dict[str, Any]]) -> dict[str, Any]:
        labels = [torch.tensor(each["labels"]) for each in studies]
        return {
            "pixel_values": torch.stack([each["pixel_values"] for each in studies]),
            "labels": torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100),
        }

    class Clock(TrainerCallback):
        starts: list[float] = []  # noqa: RUF012 (one instance)

        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            self.starts.append(time.perf_counter())

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.starts.append(time.perf_counter())

        def on_step_end(self, arguments: Any, state: Any, *_: Any, **__: Any) -> None:
            if state.global_step == 1:
                say(first_step=1)

    vit = ViTConfig(hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512,
                    image_size=SIZE, patch_size=16, num_channels=1)  # fmt: skip
    marks = {"bos_token_id": tokenizer.bos_id, "pad_token_id": tokenizer.pad_id, "eos_token_id": tokenizer.eos_id}
    bart = BartConfig(**BART, vocab_size=len(tokenizer), is_decoder=True, add_cross_attention=True, **marks,
                      decoder_start_token_id=tokenizer.eos_id, forced_eos_token_id=None)  # fmt: skip
    model = VisionEncoderDecoderModel(encoder=ViTModel(vit, add_pooling_layer=False), decoder=BartForCausalLM(bart))
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = tokenizer.eos_id
        config.pad_token_id, config.eos_token_id = tokenizer.pad_id, tokenizer.eos_id
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder / "peer"), use_cpu=True, report_to=[], save_strategy="epoch", save_total_limit=2,
        per_device_train_batch_size=BATCH, gradient_accumulation_steps=ACCUMULATION, num_train_epochs=epochs,
        per_device_eval_batch_size=AT_ONCE, predict_with_generate=True, generation_num_beams=BEAMS,
        generation_max_length=MAX_TOKENS + 1, remove_unused_columns=False, disable_tqdm=True,
        dataloader_pin_memory=False,
    )  # fmt: skip
    clock = Clock()
    trainer = Seq2SeqTrainer(
        model=model, args=arguments, train_dataset=Studies("train"), data_collator=collate, callbacks=[clock]
    )
    trainer.train()
    model.decoder.lm_head = never_end(model.decoder.lm_head, tokenizer.eos_id)
    test = Studies("test")
    started = time.perf_counter()
    trainer.predict(test)
    reports_per_s = len(test) / (time.perf_counter() - started)
    epochs_s = [end - start for start, end in zip(clock.starts, clock.starts[1:], strict=False)]
    studies_per_s = len(trainer.train_dataset) / statistics.median(epochs_s[1:])
    say(studies_per_s=studies_per_s, reports_per_s=reports_per_s, peak_mib=peak_mib())


# -- side by side


def run_side(side: str, folder: Path, epochs: int) -> dict[str, float]:
    """Start a process for one side and collect what it says."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--epochs", str(epochs)]
    started, found = time.perf_counter(), {}
    environment = {**os.environ, "GOMP_SPINCOUNT": "2000"}  # what our command sets for itself serves the peer too
    errors = folder / "errors.txt"
    for name in ("ours", "peer"):  # nothing of an earlier round: no decoded image, no checkpoint
        shutil.rmtree(folder / name, ignore_errors=True)
    with (
        errors.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        for line in process.stdout or ():
            if not line.startswith("@"):
                continue
            found.update(json.loads(line[1:]))
            if found.pop("first_step", None):
                found["start_up_s"] = time.perf_counter() - started
    if set(found) != set(ROWS):
        sys.exit(f"error: {side} ended without its numbers:\n{errors.read_text()[-2000:]}")
    return found


def table(results: dict[str, list[dict[str, float]]]) -> list[str]:
    """Medians of the rounds, in Markdown; the last column says how many times better ours is than the best peer."""
    lines = [f"| | {' | '.join(SIDES)} | ours is better by |", "|---" * (len(SIDES) + 2) + "|"]
    for key, (title, more_is_better) in ROWS.items():
        ours, *peers = (statistics.median(each[key] for each in results[side]) for side in SIDES)
        best = max(peers) if more_is_better else min(peers)
        ratio = ours / best if more_is_better else best / ours
        lines.append(f"| {title} | {' | '.join(f'{value:.1f}' for value in (ours, *peers))} | {ratio:.2f} x |")
    return lines


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer studies, one round")
    parser.add_argument("--studies", type=int, default=512, help="for training; a quarter as many reports are written")
    parser.add_argument("--epochs", type=int, default=4, help="the first is not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)  # what this process does by itself
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.quick:
        options.studies, options.epochs, options.rounds = 128, 3, 1
    if options.side == "ours":
        ours(options.folder, options.epochs)
        return 0
    if options.side:
        peer(options.folder, options.epochs, options.side == "peer, in memory")
        return 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        make_studies(Path(name), options.studies, options.studies // 4)
        results: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side in SIDES:
                results[side].append(run_side(side, Path(name), options.epochs))
    print(f"{options.studies} studies, {options.epochs - 1} epochs counted, {options.studies // 4} reports of "
          f"{MAX_TOKENS} tokens, {BEAMS} beams; {os.cpu_count()} CPUs; rounds: {options.rounds}")  # fmt: skip
    print("\n".join(table(results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
