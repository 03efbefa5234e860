"""Messages on the line: each with its length before it, sent in chunks."""

from collections.abc import Iterator

CHUNK_BYTES = 180  # bytes in one notification
MAX_MESSAGE_BYTES = 1022  # bytes in a message: with its length before it it makes 1024
_HEAD = 2


class FrameDecoder:
    """Puts messages together from the chunks in which they come."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk, and return the messages that it completes."""
        self._begun += chunk
        whole: list[bytes] = []
        while len(self._begun) >= _HEAD:
            end = _HEAD + int.from_bytes(self._begun[:_HEAD])
            if end > _HEAD + MAX_MESSAGE_BYTES:
                # Nobody can tell where the next one begins.
                self._begun.clear()
            if len(self._begun) < end:
                break
            whole.append(bytes(self._begun[_HEAD:end]))
            del self._begun[:end]
        return whole


def split_message(message: bytes) -> Iterator[bytes]:
    """Return a message as it goes over the air."""
    framed = len(message).to_bytes(_HEAD) + message
    for start in range(0, len(framed), CHUNK_BYTES):
        yield framed[start : start + CHUNK_BYTES]
