"""The projection of a film: PA, AP, lateral or unknown."""

VIEW_ORDER = {"PA": 0, "AP": 0, "unknown": 1, "lateral": 2}  # images of a study: frontal ones first


def view_name(word: str) -> str:
    """Return "PA", "AP", "lateral" or "unknown" for what a source calls the projection ("AP SUPINE", "LL", ...)."""
    words = word.upper().replace("_", " ").replace("-", " ").split()
    if not words:
        return "unknown"
    if words[0] in ("PA", "AP"):
        return words[0]
    return "lateral" if {"LATERAL", "LAT", "LL", "L"} & set(words) else "unknown"
