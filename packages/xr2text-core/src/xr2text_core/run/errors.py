"""The errors that commands print as one line."""


class UserError(Exception):
    """What the user can put right; the message names the path, the row or the flag, and what to do. Exit code 2."""
