"""The bytes of an HTTP answer, decompressed a bounded piece at a time: one MB of gzip can hold a thousand."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx2

from aloe_hub.errors import TransientError


async def decompressed(response: httpx2.Response, piece: int) -> AsyncIterator[bytes]:
    """The answer's bytes, at most `piece` of them at once, whatever they were compressed from.

    Raises:
        TransientError: an encoding that was not asked for, or bytes that are not in it.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        async for raw in response.aiter_raw():
            yield raw
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise TransientError("the answer is in a content encoding that was not asked for", maybe_billed=True)
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # tells gzip from zlib by their headers
    try:
        async for raw in response.aiter_raw():
            while raw:
                yield inflate.decompress(raw, piece)
                raw = inflate.unconsumed_tail
    except zlib.error as error:
        raise TransientError(f"the answer cannot be decompressed ({error})", maybe_billed=True) from None
