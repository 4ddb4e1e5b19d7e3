"""A file of others → its records, one at a time: JSON lines, a JSON array, CSV, Parquet or lines of text, compressed or not.

A record that cannot be read is a `DataError` in its place, and costs itself alone: a line of JSON, an entry of an array, a row of
a table. Memory holds one record at a time, of Parquet a batch of them.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from aloe_hub.errors import DataError, UsageError
from aloe_hub.stages.import_files import byte_lines, json_values, text_lines, text_of_file
from aloe_hub.text import is_valid

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
LONGEST = 1 << 26  # characters of one entry of an array; what is longer has no end
CHUNK = 1 << 16
BATCH = 256  # rows of Parquet
_CONVERSATION = re.compile(r'\s*\[\s*\{\s*"(role|from|content|value)"')
_HEADER = re.compile(r"[\w-]+([,;\t][\w-]+)+\s*")
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{}]', re.DOTALL)


def suffix_of(path: Path) -> str:
    """Its ending, without that of the compression."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def records(path: Path) -> Iterator[tuple[str, object]]:
    """(where, a record or a `DataError`) of each.

    Raises:
        DataError: the file cannot be opened or decompressed.
    """
    suffix = suffix_of(path)
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in (".csv", ".tsv"):
        return _table(path, "\t" if suffix == ".tsv" else ",;\t")
    lines = ((number, line) for number, line in enumerate(byte_lines(path), 1) if line.strip())
    first = next(lines, None)
    if first is None:
        return iter(())
    text = first[1].decode("utf-8", "replace")
    is_array = text.lstrip().startswith("[") and not _CONVERSATION.match(text)
    if suffix not in SUFFIXES and not text.lstrip().startswith(('"', "{", "[")):
        lines.close()
        if not suffix and _HEADER.fullmatch(text):
            return _table(path, ",;\t")
        return ((f"line {number}", text.strip()) for number, text in enumerate(text_lines(path), 1) if text.strip())
    # One object over many lines begins with a line that is not whole.
    if is_array or text.strip() == "{":
        lines.close()
        return _entries(path, inside=is_array)
    return _lines(chain([first], lines))


def _lines(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[str, object]]:
    for number, line in lines:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            yield f"line {number}", DataError(f"not UTF-8 ({error.reason})")
            continue
        for value in json_values(text):
            yield f"line {number}", DataError("not JSON") if isinstance(value, DataError) else value


def _entries(path: Path, *, inside: bool) -> Iterator[tuple[str, object]]:
    """The objects, lists and texts of a JSON array, or, not `inside` one, those that follow one another.

    An entry is found by its brackets, so that one which is not JSON does not take the others with it.
    """
    with text_of_file(path) as stream:
        text, at, line, ended = "", 0, 1, False
        if inside:
            text = stream.read(CHUNK)
            at = text.index("[") + 1
            line += text.count("\n", 0, at)
        while True:
            span = _next_entry(text, at)
            if span is None and not ended:
                more = stream.read(max(CHUNK, len(text) - at))
                text, at, ended = text[at:] + more, 0, not more
                if len(text) <= LONGEST:
                    continue
            begin, end = span or (len(text), len(text))
            between = text[at:begin]
            if between.strip(" \t\r\n,"):
                yield f"line {line}", DataError("not JSON" if ended or span else "an entry that does not end")
            if span is None or text[begin] == "]":
                return
            line += between.count("\n")
            try:
                yield f"line {line}", json.loads(text[begin:end]) if is_valid(text[begin:end]) else DataError("not UTF-8")
            except (ValueError, RecursionError):
                yield f"line {line}", DataError("not JSON")
            line += text.count("\n", begin, end)
            at = end


def _next_entry(text: str, at: int) -> tuple[int, int] | None:
    """From where to where the first entry after `at` goes: to its closing bracket, or its quote; None: its end is not in `text`.

    >>> _next_entry('1, {"a": ["}"]} ', 0), _next_entry('{"a": "}', 0)
    ((3, 15), None)
    """
    begin, depth = None, 0
    for token in _TOKENS.finditer(text, at):
        if token[0] == '"':
            return None
        begin = token.start() if begin is None else begin
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth <= 0:
            return begin, token.end()
    return None


def _table(path: Path, delimiters: str) -> Iterator[tuple[str, object]]:
    """The rows of a table under its header. A cell that holds a list or object in JSON, or in Python as of pandas, is that."""
    csv.field_size_limit(LONGEST)
    with text_of_file(path, newline="") as stream:
        skipped, header = next(((number, line) for number, line in enumerate(stream) if line.strip()), (0, ""))
        delimiter = max(delimiters, key=header.count)  # where commas are decimal, semicolons stand for them
        reader = csv.DictReader(chain([header], stream), delimiter=delimiter, strict=False)
        rows = iter(reader)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield f"line {skipped + reader.line_num}", DataError(f"not a row of a table ({error})")
                continue
            where = f"line {skipped + reader.line_num}"
            if None in row or None in row.values():
                yield where, DataError("a row with more or fewer cells than the header")
            elif not is_valid("".join(chain(row, row.values()))):
                yield where, DataError("not UTF-8")
            else:
                yield where, {name.strip(): _cell(value) for name, value in row.items()}


def _cell(text: str) -> object:
    if text.lstrip()[:1] in ("[", "{"):
        with suppress(ValueError, RecursionError):
            return json.loads(text)
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError), warnings.catch_warnings(action="ignore"):
            found = ast.literal_eval(text.strip())
            # Of a text that happens to be Python nothing is made but what messages can be.
            if isinstance(found, dict) or (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
                return found
    return text or None


def _parquet(path: Path) -> Iterator[tuple[str, object]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(f"{path}: Parquet is read with pyarrow; pip install 'aloe-hub[hub]'") from None
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowException, OSError) as error:
        if not number:
            raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from None
        yield f"row {number + 1}", DataError("Parquet that cannot be read; what follows was not read")
