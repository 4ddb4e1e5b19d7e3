"""Where the files of a model lie: in a folder, in the cache of the Hub, or unpacked from a GGUF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aloe_hub.errors import AloeError, DataError
from aloe_hub.gguf import unpacked
from aloe_hub.hub_errors import hub_errors
from aloe_hub.source import POCKET, Source


@dataclass(frozen=True, slots=True)
class Place:
    """Where transformers finds a model: `name`, a folder or a repo, with its `commit`, so that all its files are of one.

    folder: what holds the file that was asked for.
    source: the model as a record names it, a repo at its commit, a GGUF by its file.
    base: the model as its adapters name it: PEFT records where a model was loaded from.
    """

    name: str
    commit: str | None
    folder: Path
    source: Source
    base: str


def place_of(source: Source, file: str) -> Place:
    """The place of a model that has `file`. Of a GGUF it is that of its copy, made now if there is none.

    Raises:
        DataError: it is not there, or is no model.
        AloeError: the Hub cannot be reached or refuses.
    """
    known = file_of(source, file) if source.gguf is None else None
    if known is not None:
        settled = at_commit(source, known)
        name, commit = (str(known.parent), None) if source.folder else (source.name, settled.revision)
        return Place(name, commit, known.parent, settled, name)
    if (packed := _with_gguf_named(source)) is not None:
        found = file_of(packed, packed.gguf or "")
        if found is None:
            raise DataError(f"{source}: no {packed.gguf} in {packed.repo}; check the name")
        folder = unpacked(found, str(source))
        return Place(str(folder), None, folder, at_commit(packed, found), packed.name)
    if source.name == POCKET:
        raise AloeError("pocket: this installation has no pocket model; install a released aloe-hub, or name another model")
    if file_of(source, "adapter_config.json") is not None:
        raise DataError(f"{source}: is an adapter, not a model; name its base first, as BASE+{source}, or with --base")
    raise DataError(f"{source}: no {file} in it, so not a model of transformers; check the name")


def file_of(source: Source, file: str) -> Path | None:
    """A file of the folder or, through the cache, of the repo on the Hub; None if it is not in there.

    Raises:
        DataError, AloeError: there is no such repo or revision, or the Hub cannot be reached or refuses.
    """
    if source.folder is not None:
        path = source.folder / file
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with _hub_errors(source):
        try:
            return Path(hf_hub_download(source.repo, file, revision=source.revision, library_name="aloe-hub"))
        except RemoteEntryNotFoundError:
            return None


def at_commit(source: Source, file: Path) -> Source:
    """The source at the commit of a file of it that lies in the Hub's cache, in a folder named by the commit."""
    if source.folder is not None:
        return source
    return Source(source.name, file.parents[(source.gguf or "").count("/")].name)


def _with_gguf_named(source: Source) -> Source | None:
    """The GGUF file that is named, or else the only one of the folder or repo."""
    if source.gguf is not None:
        return Source(str(source.folder / source.gguf)) if source.folder else source
    names = sorted(name for name in _names(source) if name.lower().endswith(".gguf"))
    if len(names) > 1:
        raise DataError(f"{source}: holds {len(names)} GGUF files; name one of them, as in {source.name}/{names[0]}")
    # No path is joined of a repo's name: it has slashes everywhere.
    return Source(f"{source.folder or source.name}/{names[0]}", source.revision) if names else None


def _names(source: Source) -> list[str]:
    if source.folder is not None:
        return [path.name for path in source.folder.iterdir() if path.is_file()] if source.folder.is_dir() else []
    from huggingface_hub import HfApi

    with _hub_errors(source):
        return HfApi(library_name="aloe-hub").list_repo_files(source.repo, revision=source.revision)


@contextmanager
def _hub_errors(source: Source) -> Iterator[None]:
    from huggingface_hub import constants

    try:
        with hub_errors(str(source), "folder, and no such model", option="model", offline="go online, or give a folder"):
            yield
    except OSError as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise AloeError(f"{source}: cannot be stored in {constants.HF_HUB_CACHE} ({said})") from None
