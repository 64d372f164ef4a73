"""Whether the run is alive, and whether that can be known."""

from xr2text_monitor.rules.reading import Reading, Severity, Watched

TITLES: dict[str, tuple[Severity, str]] = {
    "dead": ("critical", "presumed dead"),
    "failed": ("critical", "the run has failed"),
    "silent": ("warning", "no sign of life"),
}
RESTART = "start the same training command again: it resumes from the newest checkpoint"
HANGING = "look at the drive and its network from a shell; the training may hang there too"
UNREADABLE = "look at its owner, permissions and contents; the trainer rewrites its files while it runs"
UNKNOWN = "look at train.log and at the trainer's terminal"
READ_LOG = "read the end of train.log and fix the cause; then the same training command resumes"


def life(watched: Watched, wall: float) -> Reading:
    """One key for silent, dead and failed, so that what gets worse rings again."""
    state = watched.state
    severity, words = TITLES.get(state.name, ("warning", ""))
    is_bad = state.name in TITLES
    since = None if state.age_s is None else wall - state.age_s
    if state.name == "failed" and watched.status is not None and watched.status.updated_at is not None:
        since = watched.status.updated_at
    is_over = None if state.name == "unknown" else is_bad
    return Reading(
        "life", is_over, not is_bad, f"{words}: {state.evidence}", _advice(watched), severity, "run", state.age_s, since
    )


def unreadable(watched: Watched) -> list[Reading]:
    """What cannot be read is told, file by file: nobody can say that all is well."""
    found = [
        (f"unreadable_{one.name}", str(one), HANGING if one.is_hanging else UNREADABLE) for one in watched.problems
    ]
    state = watched.state
    if state.name == "unknown" and not any(state.evidence == title for _, title, _ in found):
        found.append(("state_unknown", f"state unknown: {state.evidence}", UNKNOWN))
    return [Reading(key, True, False, title, advice, is_unknown=True) for key, title, advice in found]


def _advice(watched: Watched) -> str:
    """What helps in the present state."""
    name = watched.state.name
    if name == "silent":
        return "look at train.log and at the trainer's terminal; a restart resumes from the newest checkpoint"
    if name == "failed" or watched.state.evidence.endswith("gave up"):
        return READ_LOG
    return RESTART
