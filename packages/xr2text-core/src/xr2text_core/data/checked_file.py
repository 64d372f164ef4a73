"""A file that can be rebuilt at any time: written atomically, and verified when read.

The first 32 bytes are the SHA-256 of the file's name and the rest, so a file under another file's name does not pass.
"""

import hashlib
import logging
from pathlib import Path

from xr2text_core.run.atomic import replacing

logger = logging.getLogger(__name__)

DIGEST_BYTES = 32


def load_checked(path: Path) -> bytes | None:
    """What was saved; None when there is no such file or, with a warning, when it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("%s cannot be read (%s); rebuilding it", path, error)
        return None
    payload = content[DIGEST_BYTES:]
    if content[:DIGEST_BYTES] != _digest(path, payload):
        logger.warning("%s is damaged (wrong checksum); rebuilding it", path)
        return None
    return payload


def save_checked(path: Path, payload: bytes) -> None:
    """Write atomically. A full disk or a folder that is not writable only means that it is rebuilt next time."""
    try:
        with replacing(path, durably=False) as file:
            file.write(_digest(path, payload))
            file.write(payload)
    except OSError as error:
        logger.info("%s could not be written, so the next start takes longer: %s", path, error)


def _digest(path: Path, payload: bytes) -> bytes:
    digest = hashlib.sha256(path.name.encode())
    digest.update(payload)
    return digest.digest()
