"""Keeps the computer from sleeping while it trains. The lock goes with the process, and no setting is changed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from wakepy import keep

log = logging.getLogger(__name__)


@contextmanager
def keep_awake() -> Iterator[None]:
    """Hold off sleep where the system allows it; say so where it does not (servers, SSH, WSL) and go on."""
    with keep.running(on_fail="pass") as mode:
        if not mode.active:
            log.info("This system offers no way to hold off sleep; if it is a laptop, switch sleep off for tonight.")
        yield
