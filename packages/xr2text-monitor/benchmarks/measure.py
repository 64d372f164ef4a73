"""Measures the monitor in a real pseudo-terminal, beside a plain Textual program and, if given, another monitor.

    python benchmarks/measure.py [--seconds 20] [--peer "nvitop" --peer-marker NVITOP]

Start to first text of the run, CPU and memory at rest while a run writes once a second, time from the write of a row to
its number on the screen (with watchdog, and with polling alone), 100,000 rows, memory under many writes, and the plain
--once --json, also beside a pipe in place of the status. POSIX only.
"""

import argparse
import fcntl
import os
import platform
import pty
import re
import shlex
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from fake_run import HEADER, FakeRun, row

MIB = 2**20
SIZE = (40, 120)
HELLO = """
from textual.app import App
from textual.widgets import Label

class Hello(App):
    ticks = 0
    def compose(self):
        yield Label("HELLO WORLD")
    def on_mount(self):
        self.set_interval(1, self.tick)
    def tick(self):
        self.ticks += 1
        self.query_one(Label).update(f"HELLO WORLD {self.ticks}")

Hello().run()
"""
MONITOR = [sys.executable, "-m", "xr2text_monitor.cli"]
POLLING = """
import xr2text_monitor.watch
xr2text_monitor.watch.FolderChanges.follow = lambda self: None
from xr2text_monitor.cli import main
main()
"""


class Terminal:
    """A program in a pseudo-terminal; a thread reads what it draws, so that it never waits for us."""

    def __init__(self, command: list[str]) -> None:
        self.started = time.perf_counter()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execvp(command[0], command)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.drawn = ""
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self.changed:
                self.drawn += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode(errors="replace"))
                self.changed.notify_all()

    def wait_for(self, text: str, timeout_s: float = 20.0) -> float:
        """The moment (perf_counter) at which `text` had been drawn."""
        with self.changed:
            if not self.changed.wait_for(lambda: text in self.drawn, timeout_s):
                raise TimeoutError(f"{text!r} was not drawn in {timeout_s} s; last: {self.drawn[-300:]!r}")
        return time.perf_counter()

    def usage(self) -> tuple[float, float]:
        """CPU seconds so far and resident MiB now, of the program and its children."""
        processes = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        cpu = sum(sum(process.cpu_times()[:2]) for process in processes)
        return cpu, sum(process.memory_info().rss for process in processes) / MIB

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.master)


class Writer(threading.Thread):
    """Replaces status.json once a second, as a trainer does."""

    def __init__(self, run: FakeRun) -> None:
        super().__init__(daemon=True)
        self.run_files, self.is_over, self.step = run, False, 0

    def run(self) -> None:
        while not self.is_over:
            self.step += 1
            self.run_files.now = time.time()
            losses = [1.9 + (self.step * 7 + k) % 11 / 50 for k in range(240)]
            self.run_files.status(step=self.step, loss=losses[-1], recent_losses=losses)
            time.sleep(1.0)


def first_paint(command: list[str], marker: str, repeats: int = 5) -> float:
    """Median seconds from start to the marker on the screen."""
    times = []
    for _ in range(repeats):
        terminal = Terminal(command)
        times.append(terminal.wait_for(marker) - terminal.started)
        terminal.close()
    return statistics.median(times)


def at_rest(command: list[str], marker: str, seconds: float) -> tuple[float, float]:
    """Percent of one core and resident MiB, after the start has settled."""
    terminal = Terminal(command)
    terminal.wait_for(marker)
    time.sleep(3)
    before, _ = terminal.usage()
    time.sleep(seconds)
    after, memory = terminal.usage()
    terminal.close()
    return 100 * (after - before) / seconds, memory


def row_latency(command: list[str], run: FakeRun, repeats: int = 9) -> tuple[float, float]:
    """Median and worst seconds from the write of a row to its BLEU-4 on the screen."""
    terminal = Terminal(command)
    terminal.wait_for("TRAINING")
    time.sleep(2)
    times = []
    for repeat in range(repeats):
        number = f"0.{7000 + terminal.pid % 90 * 10 + repeat}"
        epoch = len(run.history.read_text().splitlines())
        cells = row(epoch, run.now).split(",")
        cells[8] = number
        time.sleep(1.0 + 0.13 * repeat)
        written = time.perf_counter()
        with run.history.open("a") as file:
            file.write(",".join(cells) + "\n")
        times.append(terminal.wait_for(number) - written)
    terminal.close()
    return statistics.median(times), max(times)


def seconds_of(command: list[str], repeats: int = 7) -> float:
    """Median seconds of a command, its bytecode cached as pip does when it installs."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times = []
    with tempfile.TemporaryDirectory() as cache:
        environment["PYTHONPYCACHEPREFIX"] = cache
        for _ in range(repeats + 1):
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=environment)
            times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def beside_a_pipe(folder: Path) -> float:
    """Seconds of --once where a pipe that nobody writes to stands in place of the status."""
    run = FakeRun(folder)
    run.typical()
    (run.statistics / "status.json").unlink()
    os.mkfifo(run.statistics / "status.json")
    return seconds_of([*MONITOR, "--once", "--out", str(folder)], 3)


def many_writes(command: list[str], run: FakeRun, seconds: float) -> float:
    """MiB that the monitor grows by after the first minute, while a run writes 16 times a second."""
    terminal = Terminal(command)
    terminal.wait_for("TRAINING")
    readings, step, started = [], 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        step += 1
        run.now = time.time()
        run.status(step=step % 960)
        if step % 16 == 0:
            run.event("skipped_step", f"Step {step} was skipped.")
            readings.append((passed, terminal.usage()[1]))
        time.sleep(1 / 16)
    terminal.close()
    later = [memory for passed, memory in readings if passed >= min(60.0, seconds / 3)]
    return max(later) - later[0]


def large_history(folder: Path) -> tuple[float, float]:
    """Seconds until 100,000 epochs are drawn, and MiB then."""
    run = FakeRun(folder)
    cells = row(40, 0.0).partition(",")[2]
    run.history.write_text(HEADER + "\n" + "".join(f"{epoch},{cells}\n" for epoch in range(1, 100_001)))
    run.status()
    terminal = Terminal([*MONITOR, "--out", str(folder)])
    seconds = terminal.wait_for("100000") - terminal.started
    time.sleep(2)
    memory = terminal.usage()[1]
    terminal.close()
    return seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure at rest")
    parser.add_argument("--flood-seconds", type=float, default=180.0, help="how long to write 16 times a second")
    parser.add_argument("--peer", help="another monitor to measure at rest, for example nvitop")
    parser.add_argument("--peer-marker", default="", help="a text that it draws when it is ready")
    options = parser.parse_args()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{platform.platform()}, Python {platform.python_version()}, {cores} cores, load {load:.1f}, 120x40")
    with tempfile.TemporaryDirectory() as folder:
        run = FakeRun(Path(folder))
        run.typical()
        writer = Writer(run)
        writer.start()
        command = [*MONITOR, "--out", folder]
        programs = [
            ("monitor", command, "TRAINING"),
            ("Textual hello world, 1 Hz", [sys.executable, "-c", HELLO], "HELLO"),
        ]
        if options.peer:
            programs.append((options.peer, shlex.split(options.peer), options.peer_marker))
        for name, program, marker in programs:
            paint = first_paint(program, marker)
            cpu, memory = at_rest(program, marker, options.seconds)
            print(f"{name:28} first paint {paint:.2f} s   CPU {cpu:.1f} % of a core   {memory:.1f} MiB")
        polling = [sys.executable, "-c", POLLING, "--out", folder]
        for name, program in (("row, watchdog", command), ("row, polling alone", polling)):
            median, worst = row_latency(program, run)
            print(f"{name:28} median {1000 * median:.0f} ms   worst {1000 * worst:.0f} ms")
        once = seconds_of([*MONITOR, "--once", "--json", "--out", folder])
        bare = seconds_of([sys.executable, "-c", "import psutil, pynvml"])
        print(f"{'--once --json':28} {1000 * once:.0f} ms   {once / bare:.2f} x the imports of psutil and pynvml")
        writer.is_over = True
        growth = many_writes(command, run, options.flood_seconds)
        print(f"{'16 writes a second':28} {growth:+.1f} MiB after the first minute of {options.flood_seconds:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'--once beside a pipe':28} {beside_a_pipe(Path(folder)):.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = large_history(Path(folder))
        print(f"{'100,000 rows on the screen':28} {seconds:.2f} s after the start   {memory:.1f} MiB")


if __name__ == "__main__":
    main()
