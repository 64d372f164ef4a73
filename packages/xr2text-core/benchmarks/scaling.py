"""How much faster several GPUs should be, from the time of a step on one and the size of the gradients.

    python benchmarks/scaling.py --study-ms 40 [--update-ms 30] [--parameters 189e6] [--batch 32]

A step on n processes takes 1/n of the studies, the sum of all gradients, and the whole update. The sum is a ring: each
process sends and receives 2 (n - 1) / n times the gradients, 4 bytes a parameter, over its slowest link, and nothing
hides it (docs/decisions/0005). Numbers of a step come from benchmarks/choices.py on the card in question.
"""

import argparse
import sys

# What a ring gets of a link, bytes/s: assumed, about 0.8 of its name for PCIe and Ethernet. A node has 8 GPUs.
LINKS = {
    "1 GPU": (1, float("inf")),
    "2 GPUs, PCIe 4.0 x16": (2, 24e9),
    "8 GPUs, PCIe 4.0 x16": (8, 12e9),  # two share a root
    "8 GPUs, NVLink": (8, 200e9),
    "2 x 8 GPUs, 100 Gbit/s": (16, 10e9),
    "2 x 8 GPUs, 10 Gbit/s": (16, 1e9),
}


def sum_s(count: int, message_bytes: float, bytes_per_s: float) -> float:
    """Seconds of one sum over `count` processes in a ring."""
    return 2 * (count - 1) / count * message_bytes / bytes_per_s


def step_s(count: int, studies_s: float, update_s: float, sum_of_gradients_s: float) -> float:
    """Seconds of a step whose studies take one process `studies_s`."""
    return studies_s / count + update_s + sum_of_gradients_s


def rows(study_s: float, update_s: float, parameters: float, batches: list[int]) -> list[str]:
    """The table in Markdown: the sum, and for each effective batch the speed-up and its share of the ideal."""
    titles = " | ".join(f"{batch} studies per update" for batch in batches)
    lines = [f"| | the sum, s | {titles} |", "|" + "---|" * (len(batches) + 2)]
    for name, (count, bytes_per_s) in LINKS.items():
        message_s = sum_s(count, 4 * parameters, bytes_per_s)
        cells = []
        for batch in batches:
            alone = step_s(1, batch * study_s, update_s, 0)
            together = step_s(min(count, batch), batch * study_s, update_s, message_s)
            cells.append(f"{alone / together:.1f} x ({alone / together / count:.0%})")
        lines.append(f"| {name} | {message_s:.3f} | {' | '.join(cells)} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study-ms", type=float, required=True, help="forward and backward of a study on one GPU")
    parser.add_argument("--update-ms", type=float, default=30.0, help="clipping and AdamW, on every GPU")
    parser.add_argument("--parameters", type=float, default=189e6)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256], help="studies per update")
    options = parser.parse_args()
    print("\n".join(rows(options.study_ms / 1000, options.update_ms / 1000, options.parameters, options.batch)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
