"""The errors that commands print as one line."""


class UserError(Exception):
    """An error that the user can fix; the message names the path, the row or the flag, and what to do. Exit code 2."""
