"""The view of a film: PA, AP, frontal (PA or AP), lateral or unknown, as its source calls it."""

import re

VIEW_ORDER = {"PA": 0, "AP": 0, "frontal": 0, "unknown": 1, "lateral": 2}  # images of a study: frontal ones first

_FRONTAL = {"PA": "PA", "AP": "AP", "FRONTAL": "frontal", "ANTEROPOSTERIOR": "AP", "POSTEROANTERIOR": "PA"}
_LATERAL = {"LATERAL", "LAT", "LL", "L"}


def view_name(words: str) -> str:
    """Return the view that a source means ("AP SUPINE", "LL", "Frontal"); "unknown" where it names both or none."""
    found = re.findall(r"[A-Z]+", words.upper())
    frontal = {_FRONTAL[word] for word in found if word in _FRONTAL}
    if _LATERAL & set(found):
        return "unknown" if frontal else "lateral"
    return frontal.pop() if len(frontal) == 1 else "frontal" if frontal else "unknown"
