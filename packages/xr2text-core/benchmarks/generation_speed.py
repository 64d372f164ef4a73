"""Times the writing of reports: ours, transformers' `generate`, and a beam search that recomputes its prefix.

    python benchmarks/generation_speed.py [--quick] [--threads 1 2] [--beams 3]

All write the same reports of the same model from the same encoder outputs, 16 at a time; ours in the order of the
references' lengths as `evaluate` does, the others in file order. Sizes are those of a small BART decoder: width 256,
4 layers, 4096 tokens, 60 visual tokens, up to 60 tokens a report. Its weights are random, and it ends a report by
design, not by a change of any algorithm: one channel of its hidden states carries the position, the last
cross-attention subtracts from it the length that the encoder outputs of the study carry, and the logit of the end mark
is what is left, amplified. Two cases: lengths spread like those of IU X-Ray (33 +- 15 tokens, log-normal; references
correlate with them by 0.5), and the worst one, where no report ends before its last token.
Shows medians over interleaved repetitions, and fails when a report differs.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BartConfig
from transformers.modeling_outputs import BaseModelOutput

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.weights import PHANTOM_ENCODER
from xr2text_core.model.writing.generation import write_tokens
from xr2text_core.model.xr2text import XR2TextModel

BATCH, WIDTH, VOCABULARY, VISUAL_TOKENS = 16, 256, 4096, 60
CLOCK = 0  # the channel that carries the position
OURS, PLAIN, RECOMPUTED = "ours", "transformers", "prefix recomputed"
TARGETS = {PLAIN: 1.5, RECOMPUTED: 13.0}


@dataclass
class Case:
    """memory (studies, S, D): encoder outputs; reference_lengths: what ours sorts by."""

    name: str
    memory: Tensor
    reference_lengths: list[int]


def random_model() -> XR2TextModel:
    """Random weights, large enough that tokens and images matter, and logits as sharp as those of a trained model."""
    bart = BartConfig(
        d_model=WIDTH,
        decoder_layers=4,
        decoder_attention_heads=8,
        decoder_ffn_dim=4 * WIDTH,
        vocab_size=VOCABULARY,
        max_position_embeddings=128,
        forced_eos_token_id=None,
    )
    encoder, options = PHANTOM_ENCODER  # not run here
    model = XR2TextModel(XR2TextConfig(encoder=encoder, encoder_options=options, image_size=64, bart=bart.to_dict()))
    model.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)
    for parameter in [*model.decoder.layers.parameters(), model.lm_head.weight]:
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=0.05)
    nn.init.normal_(model.lm_head.weight, std=0.25)
    return model.eval()


def give_a_clock(model: XR2TextModel, max_tokens: int) -> list[float]:
    """Let the end mark win as soon as the clock has passed what the study's memory says: the clock at each position."""
    decoder, last = model.decoder, model.decoder.layers[-1]
    positions = decoder.embed_positions.weight[decoder.embed_positions.offset :]
    decoder.embed_tokens.weight[:, CLOCK] = 0
    positions[:, CLOCK] = 0.1 * torch.arange(len(positions)) / max_tokens
    for layer in decoder.layers:
        for writer in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
            writer.weight[CLOCK], writer.bias[CLOCK] = 0, 0
    last.encoder_attn.v_proj.weight[0] = functional.one_hot(torch.tensor(CLOCK), WIDTH)
    last.encoder_attn.out_proj.weight[CLOCK, 0] = -1
    model.lm_head.weight[:, CLOCK] = 0
    model.lm_head.weight[model.config.eos_token_id] = 200.0 * functional.one_hot(torch.tensor(CLOCK), WIDTH)

    clocks: list[Tensor] = []
    hook = last.encoder_attn.register_forward_pre_hook(lambda _, inputs: clocks.append(inputs[0][..., CLOCK].mean(0)))
    decoder(torch.randint(4, VOCABULARY, (64, max_tokens)), encoder_hidden_states=torch.zeros(64, 1, WIDTH))
    hook.remove()
    return [float(clock) for clock in clocks[0]]


def memory_for(lengths: Tensor, clock: list[float]) -> Tensor:
    """Encoder outputs for reports of about these lengths (studies,); past the last token a report does not end."""
    memory = torch.randn(len(lengths), VISUAL_TOKENS, WIDTH)
    never = 2 * clock[-1] + 1
    ends = torch.tensor([clock[length - 1] if length <= len(clock) else never for length in lengths.tolist()])
    memory[..., CLOCK] = ends[:, None]
    return memory


def iu_like_lengths(num_studies: int, max_tokens: int) -> tuple[Tensor, list[int]]:
    """Lengths of the reports and of their references: log-normal, a mean of 33 of 60 tokens and a deviation of 15."""
    mean, deviation = 33 / 60 * max_tokens, 15 / 60 * max_tokens
    spread = torch.tensor(1 + (deviation / mean) ** 2).log().sqrt()
    drawn, other = torch.randn(2, num_studies)
    lengths, references = (
        (mean * (spread * each - spread**2 / 2).exp()).round().clamp(3, max_tokens).long()
        for each in (drawn, 0.5 * drawn + 0.75**0.5 * other)
    )
    return lengths, references.tolist()


def in_batches(write: Callable[[Tensor], Tensor], memory: Tensor, order: list[int], max_tokens: int) -> Tensor:
    """Token ids (studies, T) in file order, whatever the order in which they are written."""
    reports = torch.empty(len(memory), max_tokens, dtype=torch.long)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        ids = write(memory[rows])
        reports[rows] = functional.pad(ids, (0, max_tokens - ids.shape[1]), value=1)
    return reports


def ways(model: XR2TextModel, case: Case, num_beams: int, max_tokens: int) -> dict[str, Callable[[], Tensor]]:
    """The three ways to write the reports of a case."""

    def plain(memory: Tensor, use_cache: bool) -> Tensor:
        seen = BaseModelOutput(last_hidden_state=memory)
        options = {"max_new_tokens": max_tokens, "num_beams": num_beams, "do_sample": False, "use_cache": use_cache}
        return model.generate(encoder_outputs=seen, **options)[:, 1:]

    memory, in_file_order = case.memory, list(range(len(case.memory)))
    by_length = sorted(in_file_order, key=lambda index: case.reference_lengths[index])
    return {
        OURS: lambda: in_batches(
            lambda batch: write_tokens(model, batch, max_tokens, num_beams), memory, by_length, max_tokens
        ),
        PLAIN: lambda: in_batches(lambda batch: plain(batch, True), memory, in_file_order, max_tokens),
        RECOMPUTED: lambda: in_batches(lambda batch: plain(batch, False), memory, in_file_order, max_tokens),
    }


def measure(model: XR2TextModel, case: Case, options: argparse.Namespace) -> bool:
    """Time the ways in turn, show them, and say whether all wrote the same."""
    seconds: dict[str, list[float]] = {OURS: [], PLAIN: [], RECOMPUTED: []}
    reports: dict[str, Tensor] = {}
    for _ in range(options.repeats):
        for name, write in ways(model, case, options.beams, options.tokens).items():
            started = time.perf_counter()
            reports[name] = write()
            seconds[name].append(time.perf_counter() - started)
    lengths = (reports[OURS] != model.config.pad_token_id).sum(1).float()
    print(f"\n{case.name}: {len(lengths)} reports of {lengths.mean():.0f} +- {lengths.std():.0f} tokens, "
          f"at most {lengths.max():.0f}; {torch.get_num_threads()} thread(s)")  # fmt: skip
    for name, taken in seconds.items():
        ratios = [other / our for other, our in zip(taken, seconds[OURS], strict=True)]
        differing = int((reports[name] != reports[OURS]).any(1).sum())
        target = f"  target {TARGETS[name]:g}" if name in TARGETS and case.name == "IU-like" else ""
        print(f"  {name:<20} {1000 * statistics.median(taken) / len(lengths):8.1f} ms a report"
              f"  {statistics.median(ratios):6.2f} x ours ({min(ratios):.2f} to {max(ratios):.2f})"
              f"  {differing} reports differ{target}")  # fmt: skip
    return all(torch.equal(each, reports[OURS]) for each in reports.values())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter reports, once: ratios come out smaller")
    parser.add_argument("--studies", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=60, help="of the longest report")
    parser.add_argument("--beams", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    if options.quick:
        options.studies, options.tokens, options.repeats, options.threads = 32, 45, 1, [1]
    return options


@torch.inference_mode()
def main() -> int:
    options = parse_arguments()
    torch.manual_seed(0)
    model = random_model()
    clock = give_a_clock(model, options.tokens)
    lengths, reference_lengths = iu_like_lengths(options.studies, options.tokens)
    never = torch.full((BATCH,), options.tokens + 1)
    cases = [
        Case("IU-like", memory_for(lengths, clock), reference_lengths),
        Case("no report ends early", memory_for(never, clock), never.tolist()),
    ]
    print(f"{options.beams} beams, batch {BATCH}, medians of {options.repeats}; "
          f"torch {version('torch')}, transformers {version('transformers')}")  # fmt: skip
    is_same = True
    for threads in options.threads:
        torch.set_num_threads(threads)
        for case in cases:
            is_same &= measure(model, case, options)
    if not is_same:
        print("error: the ways wrote different reports", file=sys.stderr)
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
