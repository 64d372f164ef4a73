"""Tokens and labels of the reports: computed once per distinct text and kept in the cache folder.

Reading 200,000 reports takes half a minute, loading the result half a second. The file holds no text, but its tokens
spell the reports: the cache folder is as confidential as the data set. It can be deleted at any time.
"""

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tqdm import tqdm

from xr2text_core.data.checked_file import load_checked, save_checked
from xr2text_core.data.ragged import Ragged
from xr2text_core.report import labeler
from xr2text_core.report.labeler import LABELER_VERSION, Mention, ReportLabels, label_report
from xr2text_core.report.tokenizer import ReportTokenizer

logger = logging.getLogger(__name__)

FORMAT = 2
REPORTS_AT_ONCE = 1000  # tokenized between two updates of the bar; bounds the memory of the tokenizer's own objects


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of many reports: the few thousand distinct mentions once, each report as a list of indices."""

    mentions: tuple[Mention, ...]
    codes: Ragged
    is_normal: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> "Labels":
        return Labels(self.mentions, self.codes.take(rows), self.is_normal[rows])

    def __getitem__(self, row: int) -> ReportLabels:
        return ReportLabels(tuple(map(self.mentions.__getitem__, self.codes[row])), bool(self.is_normal[row]))

    def __iter__(self) -> Iterator[ReportLabels]:
        return (self[row] for row in range(len(self)))

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class ReadReports:
    """Tokens and labels, one of each per report."""

    tokens: Ragged
    labels: Labels

    def take(self, rows: NDArray[np.int64]) -> "ReadReports":
        return ReadReports(self.tokens.take(rows), self.labels.take(rows))


def read_reports(
    texts: Sequence[str], tokenizer: ReportTokenizer, max_tokens: int, folder: Path | None = None
) -> ReadReports:
    """Tokenize and label `texts`; with a folder, load the result of an earlier start, or save this one."""
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    rows = np.fromiter((row_of[text] for text in texts), dtype=np.int64, count=len(texts))
    distinct = list(row_of)
    if folder is None:
        return _read(distinct, tokenizer, max_tokens).take(rows)
    path = folder / f"labels-{reports_key(distinct, tokenizer.to_json(), str(max_tokens))}.bin"
    made_by: list[int | str] = [LABELER_VERSION, reading_code()]
    payload = load_checked(path)
    if payload is None:
        _remove_first_caches(folder)
    elif (found := _made_by(payload)) == made_by:
        return _unpacked(payload).take(rows)
    else:
        logger.info("%s: made by labeler %s; reading again with labeler %d", path.name, found[0], LABELER_VERSION)
    read = _read(distinct, tokenizer, max_tokens)
    save_checked(path, _packed(read, made_by))
    return read.take(rows)


def reports_key(texts: Sequence[str], *others: str) -> str:
    """The same for the same texts in the same order and the same `others`."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    digest = hashlib.sha256(json.dumps([FORMAT, tokenizers.__version__, len(texts), *others]).encode())
    for part in (lengths.tobytes(), "".join(texts).encode("utf-8", "surrogateescape")):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]


def reading_code() -> str:
    """A digest of the code that reads reports: labeler, sections, tokenizer. So developers get no stale labels."""
    code = b"".join(path.read_bytes() for path in sorted(Path(labeler.__file__).parent.glob("*.py")))
    return hashlib.sha256(code).hexdigest()[:32]


def _remove_first_caches(folder: Path) -> None:
    """Labeler 1 kept its labels under another name; nothing reads those files any more."""
    first = list(folder.glob("reports-*.bin"))
    for path in first:
        with suppress(OSError):
            path.unlink()
    if first:
        logger.info("Removed %d caches of labeler 1; reading again with labeler %d", len(first), LABELER_VERSION)


def _read(texts: Sequence[str], tokenizer: ReportTokenizer, max_tokens: int) -> ReadReports:
    tokens: list[Ragged] = []
    codes: list[Ragged] = []
    is_normal: list[bool] = []
    code_of: dict[Mention, int] = {}
    remaining = iter(texts)
    with tqdm(total=len(texts), desc="Reading reports", unit="report", disable=None, leave=False) as bar:
        while chunk := list(islice(remaining, REPORTS_AT_ONCE)):
            tokens.append(Ragged.of(tokenizer.encode(chunk, max_tokens)))
            labels = [label_report(text) for text in chunk]
            codes.append(
                Ragged.of([code_of.setdefault(mention, len(code_of)) for mention in each.mentions] for each in labels)
            )
            is_normal += [each.is_normal for each in labels]
            bar.update(len(chunk))
    return ReadReports(_joined(tokens), Labels(tuple(code_of), _joined(codes), np.array(is_normal, dtype=bool)))


def _joined(parts: list[Ragged]) -> Ragged:
    flat = [part.flat for part in parts]
    lengths = [part.lengths for part in parts]
    nothing = np.empty(0, dtype=np.int32)
    return Ragged.cut(np.concatenate([nothing, *flat]), np.concatenate([nothing, *lengths]).astype(np.int64))


def _packed(read: ReadReports, made_by: list[int | str]) -> bytes:
    file = io.BytesIO()
    np.savez(
        file,
        made_by=np.frombuffer(json.dumps(made_by).encode(), np.uint8),
        tokens=read.tokens.flat,
        token_lengths=read.tokens.lengths,
        codes=read.labels.codes.flat,
        code_lengths=read.labels.codes.lengths,
        is_normal=read.labels.is_normal,
        mentions=np.frombuffer(json.dumps([astuple(mention) for mention in read.labels.mentions]).encode(), np.uint8),
    )
    return file.getvalue()


def _made_by(payload: bytes) -> list[int | str]:
    """The version of the labeler, and the digest of the code."""
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        made_by: list[int | str] = json.loads(arrays["made_by"].tobytes())
        return made_by


def _unpacked(payload: bytes) -> ReadReports:
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        mentions = tuple(
            Mention(finding, status, tuple(regions), side, severity)
            for finding, status, regions, side, severity in json.loads(arrays["mentions"].tobytes())
        )
        labels = Labels(mentions, Ragged.cut(arrays["codes"], arrays["code_lengths"]), arrays["is_normal"])
        return ReadReports(Ragged.cut(arrays["tokens"], arrays["token_lengths"]), labels)
