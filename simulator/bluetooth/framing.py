"""Framing of Bluetooth messages: length prefix, sent in chunks."""

from collections.abc import Iterator

CHUNK_BYTES = 180  # in one notification
MAX_MESSAGE_BYTES = 1022  # in a message; 1024 with the length prefix
_HEAD = 2


class FrameDecoder:
    """Assembles messages from chunks."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add a chunk and return the completed messages."""
        self._begun += chunk
        whole: list[bytes] = []
        while len(self._begun) >= _HEAD:
            end = _HEAD + int.from_bytes(self._begun[:_HEAD])
            if end > _HEAD + MAX_MESSAGE_BYTES:
                # Framing is lost: the start of the next message is unknown.
                self._begun.clear()
            if len(self._begun) < end:
                break
            whole.append(bytes(self._begun[_HEAD:end]))
            del self._begun[:end]
        return whole


def split_message(message: bytes) -> Iterator[bytes]:
    """Yield the chunks of a message."""
    framed = len(message).to_bytes(_HEAD) + message
    for start in range(0, len(framed), CHUNK_BYTES):
        yield framed[start : start + CHUNK_BYTES]
