"""How the bridge and its pyslurm workers talk: JSON, each text with its length before it."""

import json
from collections.abc import Mapping
from typing import Any

LENGTH_BYTES = 4
MOST_BYTES = 64 * 1024 * 1024
"""In one frame: Slurm takes scripts of up to 4 MiB (slurm.conf(5), max_script_size)."""

Message = Mapping[str, Any]


class FramingError(ValueError):
    """What came is no frame: the other side is not what it should be."""


def frame(message: Message) -> bytes:
    """The message as it goes over a pipe. Raises FramingError when it is too long."""
    text = json.dumps(message).encode("ascii")
    if len(text) > MOST_BYTES:
        raise FramingError(f"{len(text)} bytes are more than the {MOST_BYTES} that fit a frame")
    return len(text).to_bytes(LENGTH_BYTES, "big") + text


class Frames:
    """Puts together what comes in pieces."""

    def __init__(self) -> None:
        self._heard = bytearray()

    def hear(self, piece: bytes) -> None:
        """Take what came next."""
        self._heard += piece

    def take(self) -> Message | None:
        """The next whole message; None until there is one. Raises FramingError."""
        if len(self._heard) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._heard[:LENGTH_BYTES], "big")
        if length > MOST_BYTES:
            raise FramingError(f"a frame of {length} bytes is announced")
        end = LENGTH_BYTES + length
        if len(self._heard) < end:
            return None
        text = bytes(self._heard[LENGTH_BYTES:end])
        del self._heard[:end]
        try:
            message = json.loads(text)
        except ValueError as error:
            raise FramingError(f"a frame is no JSON: {error}") from error
        if not isinstance(message, dict):
            raise FramingError("a frame is no JSON object")
        return message
