"""Which studies a run is trained on, in a few thousand characters: enough to tell lost images from another data set."""

import hashlib
from collections.abc import Iterable
from heapq import nsmallest

KEPT = 500  # of as many hashes, the smallest: of two data sets they agree as often as the data sets do (Broder 1997)
SAME_RUN = 0.9  # share of studies in common that a resume needs: a few images may be lost or recovered


def fingerprint(study_ids: Iterable[str]) -> str:
    """The same for the same studies in any order."""
    hashes = {hashlib.blake2b(each.encode("utf-8", "surrogateescape"), digest_size=8).digest() for each in study_ids}
    return " ".join(each.hex() for each in nsmallest(KEPT, hashes))


def share_in_common(first: str, second: str) -> float:
    """How many of all studies two data sets share, 0..1, by their fingerprints; exact up to `KEPT` studies."""
    ours, theirs = set(first.split()), set(second.split())
    smallest = sorted(ours | theirs)[:KEPT]
    return sum(each in ours and each in theirs for each in smallest) / max(1, len(smallest))
