"""What the monitor must not load, shown in a fresh interpreter."""

import subprocess
import sys

import pytest


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["cli", "app", "watch", "web"])
def test_importing_the_monitor_does_not_import_torch_pandas_numpy_or_the_core(module: str) -> None:
    heavy = {"torch", "pandas", "numpy", "xr2text_core", "transformers", "matplotlib"}
    assert loaded_after(f"import xr2text_monitor.{module}") & heavy == set()


def test_printing_a_summary_does_not_import_textual_or_watchdog(tmp_path) -> None:  # type: ignore[no-untyped-def]
    code = f"from xr2text_monitor.cli import main; main(['--json', '--out', {str(tmp_path)!r}])"
    assert loaded_after(code) & {"textual", "rich", "watchdog", "asyncio"} == set()
