"""Checks of a run before it starts: its folder, settings, data, weights, memory and time."""

import json
import shutil
from pathlib import Path

from xr2text_core.checks.estimates import ALLOWANCE, GIB, MemoryEstimate, TimeEstimate, planned_config
from xr2text_core.checks.hardware import Card, Check, check_disk, size
from xr2text_core.checks.speed import Speed
from xr2text_core.checks.weights import SCRATCH, locate_decoder, locate_encoder
from xr2text_core.data.images.cache_files import cached_names, find_cache
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError
from xr2text_core.data.images.tokens import num_cached
from xr2text_core.data.study import SPLITS, Dataset, film_names
from xr2text_core.model.weights import WeightsError
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.status import running_trainer
from xr2text_core.settings.changes import changes, refusal
from xr2text_core.settings.settings import Settings
from xr2text_core.training.curriculum import STAGES

NUM_DECODED = 8  # images to decode
TUNED_FOR = 32  # studies per update: what the learning rates of the presets are tuned for
HOST_ALLOWANCE = 3 * GIB  # assumed: Python, PyTorch and the libraries of CUDA, in host memory
NIGHT_S = 14 * 3600.0
SPILL = (
    "Windows lets a full GPU spill into host memory, many times slower, instead of raising an error. The "
    "trainer stays within what is free; against other programs, set 'CUDA - Sysmem Fallback Policy' to 'Prefer No "
    "Sysmem Fallback' in the NVIDIA Control Panel"
)


def trainer_of(settings: Settings) -> int | None:
    """The process that is training this run."""
    return running_trainer(RunFolder.under(Path(settings.out), settings.run).status)


def continues(settings: Settings, resume: Path | None, fresh: bool) -> bool:
    """Whether `train` would resume from a checkpoint."""
    return bool(resume) or (not fresh and RunFolder.under(Path(settings.out), settings.run).latest.exists())


def check_run(settings: Settings, resume: Path | None, fresh: bool) -> Check:
    """What `train` would do in this folder. Nothing is written or moved. RunError for an impossible name."""
    folder = RunFolder.under(Path(settings.out), settings.run)
    if process := trainer_of(settings):
        advice = "Wait for it, stop it, or give this run a name of its own with --run NAME"
        return Check("run", "fail", f"process {process} is training in {folder.checkpoints}", advice)
    if resume:
        found = f"continues from {resume}" if resume.is_file() else f"--resume {resume}: no such file"
        return Check("run", "pass" if resume.is_file() else "fail", found)
    if not folder.latest.exists():
        return Check("run", "pass", f"a new one in {folder.checkpoints}")
    if fresh:
        return Check("run", "pass", f"a new one; the run in {folder.checkpoints} is moved aside")
    last = _settings_of_last_start(folder)
    if last and (why := refusal(changes(last, settings))):
        found, _, advice = why.partition(". ")
        return Check("run", "fail", f"what lies in {folder.checkpoints} {found}", advice)
    return Check("run", "pass", f"resumes the one in {folder.checkpoints}")


def _settings_of_last_start(folder: RunFolder) -> dict[str, object]:
    """As run.json has them; empty where it cannot be read: the trainer checks the checkpoint itself."""
    try:
        return dict(json.loads(folder.run_json.read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def check_settings(settings: Settings) -> Check:
    """The settings; a warning where one has a consequence that is easily overlooked."""
    found = (
        f"{settings.epochs} epochs, patience {settings.patience}, {settings.micro_batch} x {settings.accumulation} = "
        f"{settings.effective_batch} studies per update, {settings.precision}"
    )
    advice = []
    if settings.patience < settings.epochs:
        advice.append(f"The run may end early: after {settings.patience} epochs without a better score")
    if settings.effective_batch != TUNED_FOR:
        advice.append(f"The learning rates are tuned for {TUNED_FOR} studies per update")
    if settings.curriculum and settings.epochs < len(STAGES):
        advice.append(f"Fewer epochs than the {len(STAGES)} stages of the curriculum: some are skipped")
    return Check("settings", "warning" if advice else "pass", found, ". ".join(advice))


def check_disk_of(settings: Settings, checkpoint: int, num_new_images: int, fresh: bool, tokens: int = 0) -> Check:
    """Room for all kept checkpoints of that size, one more while it is written, decoded images, and cached tokens."""
    folder = RunFolder.under(Path(settings.out), settings.run)
    images = num_new_images * settings.image_size**2
    num_kept = settings.epochs // settings.checkpoint_every + len((folder.best, folder.latest, folder.final))
    needed: float = (num_kept + 1) * checkpoint + images + tokens
    what_for = f"{num_kept} checkpoints of {size(checkpoint)}" + (f", images {size(images)}" if images else "")
    what_for += f", tokens {size(tokens)}" if tokens else ""
    if not fresh:
        needed -= sum(path.stat().st_size for path in folder.checkpoints.glob("*.pt"))
    least = 2 * checkpoint + images + tokens
    existing = next(path for path in (folder.checkpoints, *folder.checkpoints.parents) if path.exists())
    return check_disk(shutil.disk_usage(existing).free, max(needed, least), least, what_for)


def num_new_images(dataset: Dataset, settings: Settings) -> int:
    """How many images must be decoded before the first epoch; those that no cache has a row for."""
    path, names = _cache_of(dataset, settings)
    return len(set(names).difference(cached_names(path, settings.image_size)))


def num_new_films(dataset: Dataset, settings: Settings, shape: tuple[int, int]) -> int:
    """How many training films have no tokens of this shape yet, by whatever encoder: its weights may not be here."""
    path, _ = _cache_of(dataset, settings)
    wanted = {*film_names(dataset.split("train"), settings.views, settings.prior)}
    return max(0, len(wanted) - num_cached(path, shape, len(cached_names(path, settings.image_size))))


def _cache_of(dataset: Dataset, settings: Settings) -> tuple[Path, list[str]]:
    """Where the images of a run are cached, and their names."""
    studies = dataset.split("train") + dataset.split("val")[: settings.val_studies]
    names = sorted({*film_names(studies, settings.views, settings.prior)})
    return find_cache(settings.cache_folder, names, settings.image_size), names


def check_data(dataset: Dataset, settings: Settings) -> Check:
    """How many studies each split has, whether its first images can be decoded, and what was excluded."""
    names = [study.frontal for study in dataset.split("train")[:NUM_DECODED]]
    unreadable = [reason for reason in (_why_unreadable(name, settings.image_size) for name in names) if reason]
    counts = ", ".join(f"{len(dataset.split(split))} {split}" for split in SPLITS)
    found = f"{settings.data}: {counts}; {len(names) - len(unreadable)} of the first {len(names)} images decoded"
    if names and len(unreadable) == len(names):
        return Check("data", "fail", found, unreadable[0])
    advice = [*unreadable[:1], *dataset.warnings]
    advice += [f"left out {count}: {reason}" for reason, count in dataset.left_out.counts.most_common()]
    return Check("data", "warning" if advice else "pass", found, "; ".join(advice))


def _why_unreadable(name: str, image_size: int) -> str:
    try:
        read_image(name, image_size)
    except ImageError as error:
        return str(error)
    return ""


def check_weights(settings: Settings, resumes: bool) -> Check:
    """Where the weights would come from; nothing is downloaded."""
    if settings.init and not resumes:
        is_there = Path(settings.init).exists()
        found = f"those of {settings.init}" if is_there else f"--init {settings.init}: no such file or folder"
        return Check("weights", "pass" if is_there else "fail", found)
    try:
        planned_config(settings)  # also without pretrained weights the encoder must exist
        if settings.pretrained == "none":
            return Check("weights", "pass", "none needed: from scratch")
        if resumes:
            return Check("weights", "pass", "those of the checkpoint that the run resumes from")
        encoder = locate_encoder(settings.encoder) if settings.is_encoder_pretrained else SCRATCH
        decoder = locate_decoder(settings.decoder) if settings.is_decoder_pretrained else SCRATCH
    except WeightsError as error:
        found, _, advice = str(error).partition(". ")
        return Check("weights", "fail", found, advice)
    return Check("weights", "pass", f"encoder from {encoder}; decoder from {decoder}")


def check_gpu_memory(estimate: MemoryEstimate, card: Card, measured_bytes: int | None) -> Check:
    """The peak of a step against the GPU's memory. It fails where not even weights and AdamW fit."""
    peak = estimate.total if measured_bytes is None else measured_bytes + ALLOWANCE
    found = f"{_gib(estimate.total)} at the peak (estimated) of {_gib(card.total_bytes)}"
    if measured_bytes is not None:
        found += f"; measured: {_gib(peak)}, {_gib(ALLOWANCE)} for CUDA itself included"
    if card.others_bytes:
        found += f"; other programs use {_gib(card.others_bytes)}"
    always = estimate.state + estimate.allowance
    if always > card.total_bytes:
        advice = f"The model and AdamW alone take {_gib(always)}: use a smaller --encoder or --decoder"
        return Check("GPU memory", "fail", found, advice)
    spill = SPILL if card.spills and peak + GIB > card.total_bytes else ""
    if peak <= card.free_bytes:
        return Check("GPU memory", "pass", found, spill)
    close = "Close other programs on the GPU" if peak <= card.total_bytes else ""
    halve = "Out of memory halves the batch and keeps the results; a smaller --batch with more --accumulation does too"
    return Check("GPU memory", "warning", found, ". ".join(filter(None, (close, halve, spill))))


def without_card(estimate: MemoryEstimate, precision: str) -> Check:
    return Check("GPU memory", "pass", f"{_gib(estimate.total)} at the peak on a GPU in {precision} (estimated)")


def check_memory(needed_bytes: int, available_bytes: int) -> Check:
    """Host memory: a step on the CPU, and the copy from which checkpoints are written."""
    found = f"{_gib(needed_bytes)} needed (estimated), {_gib(available_bytes)} available"
    if needed_bytes <= available_bytes:
        return Check("memory", "pass", found)
    return Check("memory", "warning", found, "Close other programs: a computer that swaps trains many times slower")


def check_time(time: TimeEstimate, speed: Speed, settings: Settings) -> Check:
    """How long the run takes, from the measured steps."""
    epochs = ", ".join(f"{in_words(seconds)} ({stage})" for stage, seconds in time.epoch_s.items())
    once = {"decode the images": time.decoding_s, "encode them": time.encoding_s}
    before = " and ".join(f"{in_words(seconds)} to {what} once" for what, seconds in once.items() if seconds)
    steps = f"{speed.num_steps} step{'s' if speed.num_steps > 1 else ''} of {speed.studies_in_step} studies"
    found = (
        f"{in_words(time.run_s)} for {settings.epochs} epochs{'; before it ' if before else ''}{before}. "
        f"An epoch: {epochs}. Measured in {steps}"
    )
    advice = []
    if time.run_s > NIGHT_S:
        advice.append("Longer than a night: it can be stopped and resumed at any time")
    if speed.micro_batch < settings.micro_batch:
        advice.append(f"Only {speed.micro_batch} studies fit in a micro-batch: it will be halved")
    return Check("time", "warning" if advice else "pass", found, ". ".join(advice))


def in_words(seconds: float) -> str:
    """8 s, 12 min, 3 h 20 min, 16 days: as precise as an estimate can be."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 60 / 24)} days"


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
