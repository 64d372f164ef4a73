"""A page to try a model: drop a film, read report, findings and attention, correct a finding.

    python -m xr2text_core.demo [--checkpoint checkpoints/best_model.pt]

Served on this computer only. Research software, not a medical device: no report from it may be used in the care of a
patient.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from xr2text_core.report.vocabulary import NOT_A_DEVICE
from xr2text_core.run.errors import UserError
from xr2text_core.settings.arguments import add_checkpoint_flag
from xr2text_core.settings.numbers import positive

INSTALL = 'pip install -c constraints.txt -e "packages/xr2text-core[demo]"'


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.demo",
        usage="%(prog)s [flags]",
        description=f"Open a page on which a model reads the films that you drop. {NOT_A_DEVICE}",
    )
    add_checkpoint_flag(parser, "model")
    parser.add_argument(
        "--port", type=positive, metavar="N", help="port on this computer (default: a free one from 7860 on)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu"), default="auto", help="auto: the GPU if there is one (default: %(default)s)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        if find_spec("gradio") is None:
            raise UserError(f"the page needs gradio: `{INSTALL}` installs it")
        serve(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def serve(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C or SIGTERM; what was uploaded is then deleted."""
    from xr2text_core.inference.trained import load_model

    try:
        trained = load_model(options.checkpoint, options.device)
    except UserError as error:
        raise UserError(f"--checkpoint {error}") from error
    with TemporaryDirectory(prefix="xr2text-demo-", ignore_cleanup_errors=True) as folder:
        set_up_gradio(folder)
        from xr2text_core.inference.demo.page import demo_page, open_page

        page = demo_page(trained, str(options.checkpoint))
        try:
            address = open_page(page, folder, options.port, in_browser=not options.no_browser)
        except (OSError, OverflowError) as error:
            taken = f"--port {options.port} cannot be used" if options.port else "no port from 7860 on is free"
            raise UserError(f"{taken}: name another with --port") from error
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        print(f"{address} (this computer only; Ctrl-C ends it)\n{NOT_A_DEVICE}", flush=True)
        page.block_thread()


def set_up_gradio(folder: str) -> None:
    """Before gradio is imported: no statistics for its makers, films in `folder`, and no proxy for this computer."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))


if __name__ == "__main__":
    sys.exit(main())
