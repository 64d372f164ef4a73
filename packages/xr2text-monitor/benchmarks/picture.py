"""Exports the pictures of the README from the application itself:  python benchmarks/picture.py"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import frozen

from xr2text_monitor.app import MonitorApp


async def export(size: tuple[int, int], path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = frozen.typical(Path(folder))
    app = MonitorApp(snapshot)
    async with app.run_test(size=size) as pilot:
        app.show(snapshot)
        await pilot.pause()
        path.write_text(app.export_screenshot(), encoding="utf-8")


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    asyncio.run(export((120, 40), Path(__file__).resolve().parent.parent / "monitor.svg"))
