"""Starting the trainer by fork: its imports take seconds and are done once, in a parent that never computes.

A fork is exact as long as the parent has run no thread and no tensor operation; `ready_to_fork` says where it has.
"""

import gc
import importlib
import mmap
import os
import pickle
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CalledProcessError, Popen
from typing import Any, NoReturn

POLL_S = 0.003
MOST_UPDATES = 4096
# What a run imports; without them each start would pay for it again.
ALONG_THE_WAY = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "pandas",
    "xr2text_core.train",
    "xr2text_core.checks.survey",  # this and the next: what the command imports once its flags are read
    "xr2text_core.training.trainer",
)
ENDING_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def ready_to_fork() -> None:
    """Import the trainer, and take what is imported out of the sight of the garbage collector of every child."""
    for name in ALONG_THE_WAY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        print(f"importing the trainer left {threads} threads: forks may differ from the command", file=sys.stderr)


class StepTimes:
    """When each optimizer update of a forked trainer ended, in memory that outlives it (monotonic seconds)."""

    def __init__(self) -> None:
        self.cells = memoryview(mmap.mmap(-1, 8 * (MOST_UPDATES + 1))).cast("d")

    def watch(self) -> None:
        """In the trainer: take down every update from now on."""
        from torch.optim.optimizer import register_optimizer_step_post_hook

        register_optimizer_step_post_hook(lambda *_: self._add())

    def _add(self) -> None:
        number = int(self.cells[0]) + 1
        self.cells[number] = time.monotonic()
        self.cells[0] = number  # last: a kill between the two leaves a time that is not counted

    def taken(self) -> tuple[float, ...]:
        return tuple(self.cells[1 : 1 + int(self.cells[0])])


class Forked:
    """A trainer started by fork, with those methods of subprocess.Popen that are used here."""

    def __init__(self, arguments: Sequence[str], output: Path, before: Callable[[], None] | None = None) -> None:
        self.steps = StepTimes()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._train(arguments, output, before)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _train(self, arguments: Sequence[str], output: Path, before: Callable[[], None] | None) -> NoReturn:
        code = 1
        try:
            as_a_shell_starts_it(output)
            self.steps.watch()
            if before:
                before()
            from xr2text_core.train import main
            from xr2text_core.training import trainer

            trainer.run = draw_here
            code = main(arguments)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def draw_here(command: Sequence[str], **_: Any) -> None:
    """Draw the figures of a run in the trainer itself: the process that does it otherwise imports for half of a run."""
    from xr2text_core.figures import main

    try:
        code = main(command[3:])
    except Exception as error:
        raise CalledProcessError(1, command, stderr=str(error).encode()) from error
    if code:
        raise CalledProcessError(code, command, stderr=b"")


def as_a_shell_starts_it(output: Path) -> None:
    """Signals as a shell leaves them, also where this suite runs in the background; the terminal is a file."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns, computed in a forked child: there it may use torch, mount disks and drop rights."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(readable)
            with os.fdopen(writable, "wb") as pipe:
                pickle.dump(function(*arguments), pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        answer = pipe.read()
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError(f"{function.__name__} failed in its child; see above")
    return pickle.loads(answer)


def wait(process: "Forked | Popen[bytes]", patience_s: float) -> int:
    """The exit code (-9 for killed); a process that does not end in time is killed, and its code is -9 as well."""
    end = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < end:
        time.sleep(POLL_S)
    process.kill()
    return process.wait()


def rest(process: "Forked | Popen[bytes]", seconds: float) -> bool:
    """Let a process run for `seconds`; says whether it still runs then."""
    end = time.monotonic() + seconds
    while process.poll() is None and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, POLL_S))
    return process.poll() is None


def without_shim() -> dict[str, str]:
    """The environment of a real command, without the library that this suite may have loaded ahead."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def seeded(*parts: object) -> random.Random:
    """A generator of its own for every trial, so that one can be repeated alone."""
    return random.Random("/".join(map(str, parts)))
