"""What these faults ask of Linux: mounts of our own, a process without privileges, a library loaded ahead of libc."""

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
CAPABILITY_VERSION = 0x20080522
SHIM_FOLDER = "XR2TEXT_SHIM"
LIBC = ctypes.CDLL(None, use_errno=True)


def mount_tmpfs(folder: Path, mib: int) -> None:
    """A small disk on `folder`, seen by this process and its children only; it goes with them."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call(LIBC.unshare, CLONE_NEWNS)
    else:
        _call(LIBC.unshare, CLONE_NEWNS | CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _call(LIBC.mount, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    folder.mkdir(parents=True, exist_ok=True)
    _call(LIBC.mount, b"none", bytes(folder), b"tmpfs", 0, f"size={mib}m".encode())


def can_mount(folder: Path) -> bool:
    """Whether this process may do so. Call it in a child."""
    try:
        mount_tmpfs(folder, 1)
    except OSError:
        return False
    return True


def drop_privileges() -> None:
    """Make file permissions bind this process although it belongs to root."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    _call(LIBC.capset, header, (ctypes.c_uint32 * 6)())


def _call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{function.__name__}: {os.strerror(ctypes.get_errno())}")


class Shim:
    """shim.c, where it could be built and is loaded ahead of libc in this process."""

    def __init__(self) -> None:
        LIBC.fail_calls.argtypes = [ctypes.c_char_p, ctypes.c_char, ctypes.c_long, ctypes.c_void_p]
        self.calls = ctypes.c_long.from_buffer(mmap.mmap(-1, 8))  # shared with the children

    @staticmethod
    def is_loaded() -> bool:
        return hasattr(LIBC, "jump_clock")

    def fail_calls(self, part: str, mode: str, chosen: int) -> None:
        """See shim.c; chosen 0 only counts."""
        LIBC.fail_calls(part.encode(), mode.encode(), chosen, ctypes.byref(self.calls))

    def jump_clock(self, jumps: list[tuple[float, float]]) -> None:
        """[(after seconds, wrong by seconds)]"""
        numbers = ctypes.c_double * len(jumps)
        after, offsets = (numbers(*(jump[column] for jump in jumps)) for column in (0, 1))
        LIBC.jump_clock(after, offsets, len(jumps))


def start_again_with_shim() -> None:
    """Build shim.c and run this very command once more with it loaded; without a C compiler nothing happens."""
    if folder := os.environ.pop(SHIM_FOLDER, None):  # this is the second time: it is loaded by now, or cannot be
        shutil.rmtree(folder)
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return
    folder = tempfile.mkdtemp()
    shim, source = Path(folder) / "shim.so", Path(__file__).with_name("shim.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(source), "-ldl"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        environment = {**os.environ, "LD_PRELOAD": str(shim), SHIM_FOLDER: folder}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    shutil.rmtree(folder)
