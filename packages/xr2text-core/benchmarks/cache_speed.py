"""How fast images come out of the cache, beside decoding them each time, and what a batch costs of a training step.

    python benchmarks/cache_speed.py [--images DIR] [--quick]

Films are JPEGs of 2544 x 3056 px, grey, quality 95: real ones of a folder, resampled, with grain, or drawn phantoms.
All rows are measured in turns, one thread each; the median of the rounds is shown. They count processor time, so that
other programs do not matter, except "cold", which waits for the disk and counts real time: it reads a file that was
dropped from the memory of the system (Linux), for the first time in a process, checksums included. "Warm" is every
later epoch. The laptop model runs on this CPU too; a last row estimates its share for a GPU as fast as --gpu-ms says.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are imported: all rows are per core

import argparse
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image

from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.images.cache import ImageCache, build_cache
from xr2text_core.data.images.cache_files import DECODED, RECORD, cache_key, create
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.readers import phantom
from xr2text_core.data.ready import make_ready
from xr2text_core.drawing.names import draw_image
from xr2text_core.model.build import build_model
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.settings.presets import PRESETS
from xr2text_core.settings.settings import Settings
from xr2text_core.training.optimizer import build_optimizer
from xr2text_core.training.step import Stepper

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

WIDTH, HEIGHT, SIZE = 2544, 3056, 384
PILLOW, COLD, WARM = "Pillow: decode alone", "our cache, cold, first read", "our cache, warm"
GRAIN = 2.5  # grey levels: what resampling smooths away and a real film costs the decoder
CHEST_NOTES = Path(__file__).parents[3].parent / "shared" / "data" / "chest-notes" / "images"


def make_films(folder: Path, images: Path, count: int) -> list[str]:
    """Write `count` JPEGs; return their paths."""
    sources = sorted(path for path in images.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    grain = np.random.default_rng(0)
    names = []
    for number in range(count):
        if sources:
            small = Image.open(sources[number % len(sources)]).convert("L")
        else:
            small = Image.fromarray(draw_image(f"phantom:0/{number}", 1024))
        film = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.float32)
        film = film + grain.normal(0, GRAIN, film.shape).astype(np.float32)
        name = folder / f"{number:03d}.jpg"
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(name, quality=95)
        names.append(str(name))
    return names


def lay_out_cache(folder: Path, films: list[str], count: int) -> tuple[Path, list[str]]:
    """A cache of `count` rows that hold the pixels of the films again and again."""
    names = [f"phantom:0/{number:06d}" for number in range(count)]
    path = folder / cache_key(names, SIZE)
    create(path, names, SIZE)
    pixels = [read_image(film, SIZE) for film in films]
    records = np.zeros(count, dtype=RECORD)
    with (path / "images.u8").open("wb") as file:
        for row in range(count):
            file.write(pixels[row % len(pixels)].tobytes())
        os.fsync(file.fileno())  # only what is on disk can be dropped from memory
    records["state"] = DECODED
    records["crc"] = [zlib.crc32(pixels[row % len(pixels)].tobytes()) for row in range(count)]
    records.tofile(path / "rows.bin")
    return path, names


def drop_from_memory(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Readers:
    """The ways to get an image, each as work on a number of images that differ from round to round."""

    def __init__(self, films: list[str], folder: Path, num_rows: int) -> None:
        self.films = films
        self.encoded = [Path(film).read_bytes() for film in films]
        self.cold_path, self.names = lay_out_cache(folder / "cold", films, num_rows)
        warm_path, _ = lay_out_cache(folder / "warm", films, num_rows)
        self.warm_cache = ImageCache(warm_path, self.names, SIZE, {})
        self._read(self.warm_cache, num_rows)  # checks every row, as the first epoch does

    def pillow_rgb(self) -> int:
        for film in self.films:
            image = Image.open(film).convert("RGB")
            np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        return len(self.films)

    def pillow_decode(self) -> int:
        for film in self.films:
            Image.open(film).load()
        return len(self.films)

    def simplejpeg_full(self) -> int:
        for data in self.encoded:
            simplejpeg.decode_jpeg(data, "GRAY")
        return len(self.films)

    def simplejpeg_scaled(self) -> int:
        for data in self.encoded:
            simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, min_height=SIZE, min_width=SIZE, min_factor=1)
        return len(self.films)

    def ours_building(self) -> int:
        for film in self.films:
            read_image(film, SIZE)
        return len(self.films)

    def cold(self) -> int:
        drop_from_memory(self.cold_path / "images.u8")
        return self._read(ImageCache(self.cold_path, self.names, SIZE, {}), len(self.names) // 4)

    def warm(self) -> int:
        return self._read(self.warm_cache, len(self.names))

    def _read(self, cache: ImageCache, count: int) -> int:
        chosen = np.random.default_rng().permutation(len(self.names))[:count]
        for start in range(0, count, 4):  # as many as the laptop preset takes at once
            cache.images([self.names[row] for row in chosen[start : start + 4]])
        return count


def works_of(readers: Readers) -> dict[str, Callable[[], int]]:
    """What this machine can measure, by the name of its row."""
    works = {"Pillow: decode, RGB, bicubic (what most do)": readers.pillow_rgb, PILLOW: readers.pillow_decode}
    if simplejpeg is not None:
        works["simplejpeg: grey"] = readers.simplejpeg_full
        works["simplejpeg: grey, scaled while decoding"] = readers.simplejpeg_scaled
    works["ours, building the cache"] = readers.ours_building
    if hasattr(os, "posix_fadvise"):
        works[COLD] = readers.cold
    works[WARM] = readers.warm
    return works


def measure(works: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Images per second of each work: the median of the rounds, all works in turns."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            clock = time.perf_counter if name == COLD else time.process_time
            started = clock()
            count = work()
            rates[name].append(count / max(clock() - started, 1e-9))  # some clocks tick slowly
    return {name: statistics.median(each) for name, each in rates.items()}


def step_shares(folder: Path, preset: str, num_studies: int, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of a batch, of a batch without augmentation, and of the step or micro-batch that trains on it."""
    sizes = PRESETS[preset]
    settings = Settings(**{**sizes, "pretrained": "none", "device": "cpu", "precision": "fp32"})
    studies = phantom.read(num_train=num_studies, num_val=0, num_test=0).split("train")
    tokenizer = ReportTokenizer.learn([study.report.findings for study in studies])
    cache = build_cache(folder, [study.frontal for study in studies], settings.image_size, workers=1)
    ready = make_ready(studies, "findings", tokenizer, settings.max_tokens)
    batches = BatchMaker(ready, cache, torch.device("cpu"), seed=0)
    torch.manual_seed(0)
    model = build_model(
        settings.encoder, settings.decoder, "none", settings.image_size, settings.max_tokens, tokenizer
    ).train()
    stepper = Stepper(Accelerator(cpu=True), model, build_optimizer(model, settings, torch.device("cpu")), 1.0, 0)
    seconds: dict[str, list[float]] = {"batch": [], "plain": [], "step": []}
    for number in range(rounds + 1):
        laps = [time.process_time()]
        batch = batches.training(range(num_studies), epoch=number)
        laps.append(time.process_time())
        batches.plain(range(num_studies))
        laps.append(time.process_time())
        stepper.take_step(batch, num_studies, number)
        laps.append(time.process_time())
        if number:  # the first round warms up
            for name, before, after in zip(seconds, laps[:-1], laps[1:], strict=True):
                seconds[name].append(1000 * (after - before))
    batch_ms, plain_ms, step_ms = (statistics.median(each) for each in seconds.values())
    return batch_ms, plain_ms, step_ms


def verdict(value: float, target: float, at_least: bool) -> str:
    is_met = value >= target if at_least else value <= target
    return "met" if is_met else "MISSED"


def show_reading(films: list[str], rates: dict[str, float]) -> None:
    megabytes = statistics.mean(Path(film).stat().st_size for film in films) / 1e6
    print(f"\n{len(films)} films of {WIDTH} x {HEIGHT}, {megabytes:.1f} MB each; images of {SIZE} x {SIZE}")
    print(f"{'':<52} {'images/s/core':>13} {'ms':>9} {'x Pillow':>9}")
    for name, rate in rates.items():
        print(f"{name:<52} {rate:>13,.1f} {1000 / rate:>9.3f} {rate / rates[PILLOW]:>9,.1f}")
    if simplejpeg is None:
        print(f"{'simplejpeg':<52} {'not installed':>13}")


def show_targets(rates: dict[str, float], shares: dict[str, float]) -> None:
    print(f"\n{'target':<58} {'wanted':>10} {'found':>10}")
    warm = rates[WARM]
    decoders = [rate for name, rate in rates.items() if name.startswith("simplejpeg")]
    rows = [("cache, warm, against Pillow decoding alone", 500.0, warm / rates[PILLOW], True)]
    if decoders:
        rows.append(("cache, warm, against the fastest decoder", 100.0, warm / max(decoders), True))
    if COLD in rates:
        rows.append(("cache, cold, images/s/core", 1000.0, rates[COLD], True))
    rows += [(name, 3.0, share, False) for name, share in shares.items()]
    for name, target, value, at_least in rows:
        sign = ">=" if at_least else "<="
        print(f"{name:<58} {sign} {target:>7,.0f} {value:>10,.1f}  {verdict(value, target, at_least)}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=CHEST_NOTES, help="folder of radiographs to resample")
    parser.add_argument("--rounds", type=int, default=7, help="the median of this many is shown")
    parser.add_argument("--gpu-ms", type=float, default=100.0, help="a micro-batch of the laptop preset on the GPU, ms")
    parser.add_argument("--quick", action="store_true", help="fewer films and rounds, one study for the laptop model")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    num_films, rounds = (4, 3) if options.quick else (16, options.rounds)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        films = make_films(folder, options.images, num_films)
        readers = Readers(films, folder, 1000 if options.quick else 4000)
        rates = measure(works_of(readers), rounds)
        show_reading(films, rates)
        if COLD not in rates:
            print(f"{COLD:<52} {'not measured: this system cannot drop a file from its memory'}")
        num_laptop = 1 if options.quick else 4
        batch, _, step = step_shares(folder, "phantom", 32, 5 if options.quick else 20)
        print(f"\nphantom, 32 studies on this CPU: batch {batch:.1f} ms, step {step:.0f} ms")
        laptop_batch, plain, laptop_step = step_shares(folder, "laptop", num_laptop, 1 if options.quick else 3)
        print(
            f"laptop, {num_laptop} studies on this CPU: batch {laptop_batch:.1f} ms, of it without augmentation "
            f"{plain:.1f} ms; forward, backward and update {laptop_step:.0f} ms"
        )
        shares = {
            "batch, % of a step of the phantom preset": 100 * batch / (batch + step),
            "batch, % of a micro-batch of the laptop preset, on this CPU": 100
            * laptop_batch
            / (laptop_batch + laptop_step),
            f"the same on a GPU that takes {options.gpu_ms:.0f} ms (estimate)": 100
            * (plain * 4 / num_laptop)
            / (plain * 4 / num_laptop + options.gpu_ms),
        }
        show_targets(rates, shares)
    return 0


if __name__ == "__main__":
    sys.exit(main())
