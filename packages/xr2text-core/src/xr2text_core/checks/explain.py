"""What a start of `train` would do, and the learning rate over the epochs to come: `train --explain`."""

from collections.abc import Iterator
from pathlib import Path

from xr2text_core.data.readers.sources import read_dataset
from xr2text_core.data.study import Dataset
from xr2text_core.report.labeler import label_report
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.status import NullEvents, running_trainer
from xr2text_core.settings.changes import changes
from xr2text_core.settings.settings import Settings
from xr2text_core.training.curriculum import stage_of
from xr2text_core.training.optimizer import learning_rate_factor
from xr2text_core.training.plan import Plan
from xr2text_core.training.progress import Progress
from xr2text_core.training.start import Found, Position, find_checkpoint


def explain(settings: Settings, resume: Path | None, fresh: bool, rewarm: bool) -> Iterator[str]:
    """Lines for a person. Changes nothing, and raises the UserError that the start would be refused with.

    Images are not looked at: where some cannot be read, an epoch has a few studies less.
    """
    folder = RunFolder.under(Path(settings.out), settings.run)
    if process := running_trainer(folder.status):
        raise RunError(f"process {process} is training in {folder.checkpoints} right now")
    found = find_checkpoint(folder, settings, resume, NullEvents(folder.events), fresh)
    dataset = read_dataset(settings.data, settings.root, settings.num_studies, settings.phantom_seed, settings.desk)
    if found:
        found.check_studies(dataset)
    position = _position(found, settings, _plan(dataset, settings), rewarm)
    yield from _beginning(found, folder, settings, fresh, position.progress)
    yield from _epochs(position, settings)


def _plan(dataset: Dataset, settings: Settings) -> Plan:
    reports = {study.study_id: study.report.section(settings.section) for study in dataset.split("train")}
    with_text = {study_id: text for study_id, text in reports.items() if text}
    return Plan(settings, list(with_text), [stage_of(label_report(text)) for text in with_text.values()])


def _position(found: Found | None, settings: Settings, plan: Plan, rewarm: bool) -> Position:
    if found is None or found.origin == "init":
        return Position(Progress(), plan, settings.micro_batch)
    return found.position(settings, plan, rewarm)


def _beginning(
    found: Found | None, folder: RunFolder, settings: Settings, fresh: bool, progress: Progress
) -> Iterator[str]:
    if found is None or found.origin == "init":
        if fresh and folder.files():
            yield f"The files of the run in {folder.checkpoints} would be moved aside."
        weights = f" with the weights of {found.path}" if found else ""
        yield f"A new run would begin in {folder.checkpoints}{weights}: epoch 1 of {settings.epochs}."
        return
    for each in changes(found.checkpoint.settings, settings):
        yield f"Changed: {each}."
    if progress.epoch > settings.epochs:
        yield f"Nothing would be trained: {found.path} has been through {progress.epoch - 1} epochs (--epochs, --init)."
    else:
        steps = f"{progress.step_in_epoch} steps" if progress.step_in_epoch else "none of its steps"
        yield f"The run would resume from {found.path} in epoch {progress.epoch} of {settings.epochs}, after {steps}."


def _epochs(position: Position, settings: Settings) -> Iterator[str]:
    """The learning rate of the decoder at the first and the last update of each epoch that is left."""
    progress, plan, micro_batch = position
    if progress.epoch <= settings.epochs:
        accumulation = -(-settings.effective_batch // micro_batch)
        yield f"Updates of {micro_batch} x {accumulation} studies. Learning rate of the decoder, first and last update:"
        yield f"{'epoch':>7}  {'stage':<14} {'studies':>8} {'updates':>8}  learning rate"
    for epoch in range(progress.epoch, settings.epochs + 1):
        seen = progress.sums.num_studies if epoch == progress.epoch else 0
        steps = plan.steps(epoch, seen)
        rates = []
        for step in steps:
            done, after = plan.share(epoch, seen), plan.share(epoch, seen + len(step))
            rates.append(settings.decoder_rate * learning_rate_factor(done, after))
            seen += len(step)
        curve = f"{rates[0]:.2e} {rates[-1]:.2e}" if rates else ""
        yield f"{epoch:>7}  {plan.stage(epoch):<14} {sum(map(len, steps)):>8} {len(steps):>8}  {curve}"
