"""Files of others in whatever dress they come: compressed, in UTF-16, with a byte order mark, as a JSON array, as plain lines."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from aloe_hub.errors import DataError
from aloe_hub.text import is_blank, valid

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".txt", ".txt.gz")
KINDS = "read are JSON Lines, JSON, .csv, .tsv and texts, one a line, in UTF-8 or UTF-16, each also with .gz, and .parquet"
UTF8 = "utf-8-sig"
_GZIP = b"\x1f\x8b"
_HEAD = 4096  # bytes by which a file is judged
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# By which of its first bytes are zero.
_WIDE: dict[tuple[bool, ...], str] = {(False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be"}
_JSON = re.compile(r'\s*[\[{"][^\0]{3}')


def found(folder: Path, stem: str) -> Path:
    """The file `stem` of a folder under any of its endings; the plain one where there is none."""
    paths = [folder / f"{stem}{suffix}" for suffix in SUFFIXES]
    return next((path for path in paths if path.exists()), paths[0])


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """(its bytes, their encoding) of a file that may be compressed.

    Raises:
        DataError: it cannot be opened or decompressed, is no text, or, while it is read, cannot be read as what it says it is.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as stream:
            encoding = encoding_of(stream.read(_HEAD))
            stream.seek(0)
            if encoding is None:
                raise DataError(f"{path}: not text; {KINDS}")
            yield cast("IO[bytes]", stream), encoding
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def encoding_of(head: bytes) -> str | None:
    """The encoding of a file with these first bytes; None where they are not text, because some are zero.

    A zero byte is allowed in what begins as JSON: it costs the line that it is in.

    UTF-16 without a byte order mark is told by its first two characters, which are ASCII in JSON and in tables (RFC 4627, 3).

    >>> encoding_of('{"a"'.encode("utf-16-le")), encoding_of("{Ü".encode()), encoding_of(b"GIF89a" + bytes(9))
    ('utf-16-le', 'utf-8-sig', None)
    """
    found = "utf-16" if head[:2] in _UTF16 else _WIDE.get(tuple(byte == 0 for byte in head[:4]), UTF8)
    text = head.decode(found, "replace")
    return None if head.startswith(b"%PDF") or ("\0" in text and not _JSON.match(text)) else found


def byte_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file in UTF-8, one at a time, without a byte order mark. Raises: DataError: as `unpacked`."""
    with unpacked(path) as (stream, encoding):
        if encoding != UTF8:
            yield from (line.encode() for line in TextIOWrapper(stream, encoding, newline="\n"))
            return
        for number, line in enumerate(stream):
            yield line.removeprefix(codecs.BOM_UTF8) if number == 0 else line


def text_lines(path: Path) -> Iterator[str]:
    """The same as text. Raises: DataError: a line that is not UTF-8 as well."""
    for number, line in enumerate(byte_lines(path), 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: cannot be read (line {number} is not UTF-8: {error.reason}); {KINDS}") from None


@contextmanager
def text_of_file(path: Path, newline: str = "\n") -> Iterator[TextIOWrapper]:
    """A file as a stream of text, in which bytes that are none can be told by `is_valid`. Raises: DataError: as `unpacked`."""
    with unpacked(path) as (stream, encoding):
        yield TextIOWrapper(stream, encoding, errors="surrogateescape" if encoding == UTF8 else "replace", newline=newline)


def text_values(content: str) -> Iterator[tuple[str, list[object]]]:
    """(where, what is there): the entries of a JSON array, the JSON values of each line, or, without any JSON, the lines."""
    if content.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            yield from [(f"entry {number}", [value]) for number, value in enumerate(json.loads(content), 1)]
            return
    plain = is_plain(content)
    for number, line in enumerate(content.split("\n"), 1):
        values: list[object] = []
        if not plain:
            values.extend(json_values(line))
        elif line.strip():
            values.append(line)
        yield f"line {number}", values


def is_plain(content: str) -> bool:
    """Whether no line of it begins as JSON does.

    >>> is_plain("She is calm.\\nHe is witty."), is_plain('"She is calm."\\noops')
    (True, False)
    """
    return not any(line.lstrip().startswith(('"', "{", "[")) for line in content.split("\n"))


def json_values(line: str) -> Iterator[object]:
    """The JSON values of a line, one after another; a `DataError` where one cannot be read, and nothing after it."""
    decoder = json.JSONDecoder()
    rest = line.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError) as error:
            yield DataError(f"not JSON ({error}): {rest[:60]!r}")
            return
        yield value
        rest = rest[end:].strip()


def usable_text(value: object) -> str:
    """The text as valid Unicode, without blanks around it; "" for what is no text, or shows nothing to a reader."""
    text = valid(value).strip() if isinstance(value, str) else ""
    return "" if is_blank(text) else text
