"""A request's body as a stream with a limit: by Content-Length or chunked, never read further than allowed."""

from __future__ import annotations

import io
from email.message import Message
from typing import Any, BinaryIO

from aloe_hub.local_hub.refusal import bad_request, shown, too_large

_LONGEST_CHUNK_LINE = 1024


class ClientGone(ConnectionError):
    """The client left before its body was whole; there is nobody to answer."""


class Body(io.RawIOBase):
    """Raises `Refusal` (413) from a read that would pass `limit`, which each route sets to what it can use."""

    limit = 0

    def __init__(self, headers: Message, source: BinaryIO) -> None:
        self._source = source
        self._read = 0
        self._chunked = False
        self._left = 0  # of the body, or of the chunk that is being read
        self.finished = False
        lengths, encoding = headers.get_all("Content-Length", []), headers.get("Transfer-Encoding")
        if encoding is not None:
            if encoding.strip().lower() != "chunked" or lengths:
                raise bad_request(f"Transfer-Encoding {shown(encoding)} cannot be read")
            self._chunked = True
        elif lengths:
            if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()) or len(lengths[0]) > 18:
                raise bad_request(f"not a Content-Length: {shown(lengths[0])}")
            self._left = int(lengths[0])
        self.length = None if self._chunked else self._left
        self.finished = self.length == 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        if self.length is not None and self.length > self.limit:
            raise too_large("the request", self.limit)
        if self._chunked and self._left == 0 and not self.finished:
            self._open_chunk()
        if self.finished:
            return 0
        view = memoryview(buffer)[: self._left]
        data = self._source.read1(len(view))  # type: ignore[attr-defined]
        if not data:
            raise ClientGone("the client left in the middle of its body")
        view[: len(data)] = data
        self._left -= len(data)
        self._read += len(data)
        if self._read > self.limit:
            raise too_large("the request", self.limit)
        if self._left == 0:
            if self._chunked:
                self._line()
            else:
                self.finished = True
        return len(data)

    def _open_chunk(self) -> None:
        size = self._line().split(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise bad_request(f"not the size of a chunk: {shown(size)}") from None
        if self._left < 0 or len(size) > 15:
            raise bad_request(f"not the size of a chunk: {shown(size)}")
        if self._left == 0:
            while self._line():  # trailers
                pass
            self.finished = True

    def _line(self) -> bytes:
        line = self._source.readline(_LONGEST_CHUNK_LINE)
        if not line:
            raise ClientGone("the client left in the middle of its body")
        if not line.endswith(b"\n"):
            raise bad_request("a chunk's size is longer than a line")
        return line.rstrip(b"\r\n")
