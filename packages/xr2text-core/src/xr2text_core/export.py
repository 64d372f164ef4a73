"""Exports a checkpoint as a folder that transformers loads, with a model card; weights as safetensors only.

    python -m xr2text_core.export --out DIR [--checkpoint checkpoints/best_model.pt] [--onnx]

The README.md in the folder says how to load it.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from xr2text_core.run.errors import UserError
from xr2text_core.settings.arguments import add_checkpoint_flag

ONNX_PACKAGES = ("onnx", "onnxscript")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.export", usage="%(prog)s --out DIR [flags]", description=__doc__.splitlines()[0]
    )
    add_checkpoint_flag(parser, "file to export")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder to write into")
    parser.add_argument("--onnx", action="store_true", help="also export the image encoder and its findings as ONNX")
    options = parser.parse_args(arguments)
    if options.onnx and (missing := [package for package in ONNX_PACKAGES if find_spec(package) is None]):
        print(f"error: --onnx needs the packages `pip install {' '.join(missing)}` installs", file=sys.stderr)
        return 2
    from xr2text_core.release.export import export

    try:
        export(options.checkpoint, options.out, options.onnx)
    except UserError as error:
        print(f"error: --checkpoint {error}", file=sys.stderr)
        return 2
    except FileExistsError as error:
        print(f"error: --out {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: --out {options.out} could not be written: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {', '.join(sorted(path.name for path in options.out.iterdir()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
