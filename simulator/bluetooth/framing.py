"""Framing of Bluetooth messages: length prefix, sent in chunks."""

from collections.abc import Iterator

CHUNK_BYTES = 180  # in one notification
MAX_MESSAGE_BYTES = 1022  # in a message; 1024 with the length prefix
_LENGTH_BYTES = 2


class FrameDecoder:
    """Assembles messages from chunks."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add a chunk and return the completed messages."""
        self._buffer += chunk
        messages: list[bytes] = []
        while len(self._buffer) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._buffer[:_LENGTH_BYTES])
            if end > _LENGTH_BYTES + MAX_MESSAGE_BYTES:
                # Framing is lost: the start of the next message is unknown.
                self._buffer.clear()
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[_LENGTH_BYTES:end]))
            del self._buffer[:end]
        return messages


def split_message(message: bytes) -> Iterator[bytes]:
    """Yield the chunks of a message."""
    framed = len(message).to_bytes(_LENGTH_BYTES) + message
    for start in range(0, len(framed), CHUNK_BYTES):
        yield framed[start : start + CHUNK_BYTES]
