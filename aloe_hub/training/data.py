"""Where training rows come from, and what is asked of them before any weight is loaded.

TRL cuts what is longer than `max_length` and drops rows whose prompt alone fills it, both in silence: of a conversation of ten
turns those are the last and the most telling. So every row is tokenised here first, as TRL will do it, with the tokenizer's own
chat template, and a row that would be cut, or that the model would never learn to end, stops the run by its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, holds_chats, how_to_get_trees
from aloe_hub.text import is_valid
from aloe_hub.training.control_tokens import ControlTokens
from aloe_hub.training.hub_rows import COMPLETIONS, CONFIG, dataset_rows
from aloe_hub.training.profiles import with_profiles
from aloe_hub.training.record import Method
from aloe_hub.training.row_form import training_row
from aloe_hub.training.tree.ranked import common_prefix, ids_of
from aloe_hub.types import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from aloe_hub.training.base import Base

MANY = 20  # profiles; of fewer, none is set aside unless its share asks for one

# Methods whose rows may say nothing: what such rows are counted as, which do say something, and what it means if none does.
_SAYING: dict[Method, tuple[str, Callable[[Row], bool], str]] = {
    "rank": (
        "undecided",
        lambda row: len(set(row["ranks"])) > 1,
        "forks there is none in which one reply is better than another, so there is nothing to learn; grow trees of several "
        "replies that the judge tells apart: aloe trees --replies 4",
    ),
    "sdft": (
        "nothing_inferred",
        lambda row: bool(row["privileged_context"]),
        "turns there is none at which anything had been inferred, so a teacher has nothing to be told; grow trees with an "
        "inferrer, and not with --policy",
    ),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What the tokenizer makes of the rows. `broken`: rows whose prompt is not how their whole begins.

    `before`: what the template puts before a reply that is trained, and not into what a reply is asked for with; in `unasked`
    replies.
    """

    longest: int
    cut: int = 0
    dropped: int = 0
    broken: int = 0
    unasked: int = 0
    before: str = ""


def load_rows(run: RunFolder, data: str | None, method: Method, limit: int | None = None) -> tuple[list[Row], Row]:
    """The rows of `data` on the Hub, else of the run folder, of the first `limit` trees; and where they came from, exactly:
    `{dataset, revision}`, a commit, or `{run, sha256}`, the content of the file.

    Rows that say nothing are left out and counted: of ranked replies, forks without a better one, as `undecided`; in SDFT, turns
    without a context, as `nothing_inferred`.

    Raises:
        DataError: no such file or dataset, no rows, columns that are missing, or a row that teaches nothing.
        AloeError: the Hub cannot be reached or refuses.
    """
    path = run.file(f"{CONFIG[method]}.jsonl")
    if data is not None:
        found, origin = dataset_rows(data, method)
        rows = []
        for number, row in enumerate(found):
            try:
                rows.append(training_row(row, method))
            except ValueError as error:
                raise DataError(f"{data}, row {number}: {error}") from None
    else:
        if not path.exists():
            more = " --replies 4" if method == "rank" and not holds_chats(run.path) else ""
            raise DataError(f"{path}: no such file; {how_to_get_trees(run.path)}{more}; or give --data org/name")
        # Trees without an inferrer have no rows to distill, those of two replies a fork none to rank, which is said below.
        none = method in _SAYING and path.stat().st_size == 0
        rows = [] if none else list(read_rows(path, lambda row: training_row(row, method)))
        with path.open("rb") as file:
            origin = {"run": run.path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    if limit is not None:
        first = set(list(dict.fromkeys(map(tree_of, rows)))[:limit])
        rows = [row for row in rows if tree_of(row) in first]
    if method in _SAYING:
        name, says, nothing = _SAYING[method]
        every = len(rows)
        rows = [row for row in rows if says(row)]
        origin[name] = every - len(rows)
        if not rows:
            raise DataError(f"{data or path}: of {every} {nothing}")
    if not rows:
        raise DataError(f"{data or path}: no rows to train on")
    return with_profiles(rows, run, origin), origin


def tree_of(row: Row) -> str:
    """Which conversation a row belongs to: its `tree_id`; in datasets of others, what it begins with."""
    return str(row.get("tree_id") or hashlib.sha256(repr(row["prompt"][0]).encode()).hexdigest()[:16])


def split(rows: Sequence[Row], share: float) -> tuple[list[Row], list[Row]]:
    """(rows to train on, rows to measure on): whole profiles, the same ones whatever the seed.

    The trees of one profile share its facts, so a model that has learned them by heart would seem to know how to infer them:
    no profile is on both sides. A share of the profiles, rounded; of more than twenty at least one, unless the share is 0.
    """
    profiles = sorted(set(map(profile_of, rows)), key=lambda profile: hashlib.sha256(profile.encode()).hexdigest())
    count = round(share * len(profiles))
    if share and len(profiles) > MANY:
        count = max(count, 1)
    aside = set(profiles[: min(count, len(profiles) - 1)])
    return [row for row in rows if profile_of(row) not in aside], [row for row in rows if profile_of(row) in aside]


def profile_of(row: Row) -> str:
    """Whose facts a row is about: its `profile_id`; where that is missing its `persona_id`, else its tree."""
    return str(row.get("profile_id") or row.get("persona_id") or tree_of(row))


def measure(
    rows: Sequence[Row],
    method: Method,
    base: Base,
    *,
    max_length: int | None,
    allow_truncation: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Tokenise every row as TRL will.

    Raises:
        DataError: a row that would be cut or dropped (unless allowed), that the template refuses, that ends without an
            end-of-turn token, or whose text would be read as a control token.
    """
    tokenizer, positions = base.tokenizer, base.positions
    if max_length is not None and positions is not None and max_length > positions:
        raise UsageError(f"--max-length {max_length}: {base.source} takes {positions} tokens")
    most = max_length if max_length is not None else positions
    longest = cut = dropped = broken = unasked = 0
    first_cut: tuple[str, int] | None = None
    added = ""
    for row in checked(rows, base, on_progress):
        prompt, *wholes = tokenised(row, method, base)
        begins = [common_prefix(prompt, whole) for whole in wholes]
        broken += sum(begin < len(prompt) for begin in begins)
        for reply, whole, begin in zip(replies_of(row, method), wholes, begins, strict=True):
            if before := _before(reply[0]["content"], whole[begin:], tokenizer):
                unasked, added = unasked + 1, added or before
        for whole in wholes:
            if _last(whole, tokenizer) not in base.stops:
                known = ", ".join(repr(tokenizer.decode([stop])) for stop in sorted(base.stops)) or "it names none"
                raise DataError(
                    f"{name_of(row)}: {base.source} would never learn to stop: its chat template ends a reply with "
                    f"{tokenizer.decode(whole[-3:])!r}, which is none of the tokens that generation stops on ({known}); "
                    "correct the template"
                )
        length = max(map(len, wholes))
        longest = max(longest, length)
        if most is not None and length > most:
            first_cut = first_cut or (name_of(row), length)
            cut += 1
            dropped += min(begins) >= most
    if first_cut is not None and not allow_truncation:
        name, length = first_cut
        limit = f"--max-length {max_length}" if max_length is not None else f"the {positions} tokens that {base.source} takes"
        raise DataError(
            f"{name}: has {length} tokens, more than {limit}, as have {cut - 1} other rows; TRL would cut the end of the reply; "
            "give more, another base, or --allow-truncation"
        )
    if dropped == len(rows):
        raise DataError(f"--max-length {most}: every prompt alone fills it, so no row is left to train on; give more")
    return Measured(longest if most is None else min(longest, most), cut, dropped, broken, unasked, added)


def measure_prompts(
    rows: Sequence[Row],
    base: Base,
    read: Callable[[Row], Sequence[Row]],
    most: int | None,
    on_progress: Callable[[int, int], None],
) -> tuple[Measured, tuple[str, int] | None]:
    """What is `read` of each row, as prompts alone; and of the first row with more than `most` tokens its name, and how many."""
    longest = cut = 0
    first_cut: tuple[str, int] | None = None
    for row in checked(rows, base, on_progress):
        length = max(len(next(tokenised(each, "sdft", base))) for each in read(row))
        longest = max(longest, length)
        if most is not None and length > most:
            first_cut = first_cut or (name_of(row), length)
            cut += 1
    return Measured(longest if most is None else min(longest, most), cut), first_cut


def checked(rows: Sequence[Row], base: Base, on_progress: Callable[[int, int], None]) -> Iterator[Row]:
    """Row by row. Raises: DataError: a text holds what the base reads as a control token."""
    control = ControlTokens(base.tokenizer)
    for number, row in enumerate(rows):
        on_progress(number, len(rows))
        if found := control.first_in(row):
            raise DataError(
                f"{name_of(row)}: the text of the {found[0]} holds {found[1]!r}, which {base.source} reads as a control token "
                "and not as text; take it out of the row, or give --clean-control-tokens"
            )
        yield row
    on_progress(len(rows), len(rows))


def tokenised(row: Row, method: Method, base: Base) -> Iterator[list[int]]:
    """The prompt alone, then with each of its completions."""
    from jinja2 import TemplateError

    try:
        yield ids_of(base.tokenizer, row["prompt"], add_generation_prompt=True)
        for reply in replies_of(row, method):
            yield ids_of(base.tokenizer, row["prompt"] + reply)
    except TypeError:
        if all(is_valid(message["content"]) for texts in (row["prompt"], *replies_of(row, method)) for message in texts):
            raise
        raise DataError(f"{name_of(row)}: text that is not valid Unicode") from None
    except TemplateError as error:
        raise DataError(f"{name_of(row)}: the chat template of {base.source} refuses this conversation ({error})") from None


def replies_of(row: Row, method: Method) -> list[list[Row]]:
    """What is trained of a row, each reply as messages."""
    return list(row["completions"]) if method == "rank" else [row[column] for column in COMPLETIONS[method]]


def _before(reply: str, trained: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> str:
    """What of the trained tokens stands before the reply, such as an empty block of thoughts; blanks do not count."""
    reply = reply.strip()
    if not str(tokenizer.decode(list(trained[:8]))).lstrip().startswith(reply[:8]):  # else the whole need not be decoded
        before, found, _ = str(tokenizer.decode(list(trained))).partition(reply)
        return before if found and before.strip() else ""
    return ""


def _last(whole: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> int:
    """The last token, but for the line break that many templates put after the end of a turn."""
    return next((token for token in reversed(whole) if str(tokenizer.decode([token])).strip()), whole[-1])


def name_of(row: Row) -> str:
    return f"tree {tree_of(row)}, turn {row['turn']}" if "turn" in row else f"tree {tree_of(row)}"
