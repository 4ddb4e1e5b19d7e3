"""What was asked of whom and what it cost: a line in `calls.jsonl` for each request that was sent, and a budget that holds.

The ledger is a log. It is appended to under its own name, a line at a time, and a torn last line is dropped: of all the files
of a run folder it is the one that is never finished. It holds times and addresses, and no text that was said.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Self

from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.errors import ChatError, RunStopped, TransientError, UsageError
from aloe_hub.files.jsonl import disk_errors, encoded

BYTES_A_TOKEN = 4  # about, in English: for a server that does not count
BYTES_A_MESSAGE = 16  # at most, of a chat template around it, in tokens


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


def read_prices(path: Path) -> dict[str, Price]:
    """A price table: one TOML table for each model string, with `input` and `output` in US dollars for a million tokens.

    Raises:
        UsageError: it cannot be read, or a price is missing or not a number.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--prices {path}: cannot be read ({error})") from None
    prices = {}
    for model, table in tables.items():
        values = [table.get(name) for name in ("input", "output")] if isinstance(table, dict) and len(table) == 2 else []
        numbers = [float(value) for value in values if isinstance(value, int | float) and value >= 0]
        if len(numbers) != 2:
            raise UsageError(f'--prices {path}: ["{model}"]: expected input = … and output = …, dollars for a million tokens')
        prices[model] = Price(*numbers)
    return prices


@dataclass(slots=True)
class Spent:
    """What one model was asked, in one role."""

    calls: int = 0
    failed: int = 0  # requests that were not answered; most were sent again
    cut: int = 0
    thoughts: int = 0  # answers that reasoning was cut off from
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0  # of the answered ones, together
    cost: float = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        answered = "error" not in row
        self.calls += answered
        self.failed += not answered
        self.cut += bool(row.get("cut"))
        self.thoughts += bool(row.get("thoughts"))
        self.tokens_in += row.get("tokens_in") or 0
        self.tokens_out += row.get("tokens_out") or 0
        self.seconds += row["seconds"] if answered else 0
        self.cost += row.get("cost", 0.0)


@dataclass(slots=True)
class Ledger:
    """The calls of a run, of this command and of those before it. Without a path nothing is written.

    budget: US dollars that all of them together may cost. Before a request goes out, the most that it can cost is set aside.
    """

    path: Path | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    budget: float | None = None
    by_role: dict[tuple[str, str], Spent] = field(default_factory=dict)  # of this command: (role, or step of a policy, model) →
    before: float = 0.0  # what earlier commands cost
    _set_aside: float = 0.0
    _file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self.path is not None and self.path.exists():
            with disk_errors(self.path), self.path.open("rb+") as file:
                self.before, end = 0.0, 0
                for line in file:
                    if not line.endswith(b"\n"):  # torn: the command was killed
                        file.truncate(end)
                        break
                    end += len(line)
                    with suppress(ValueError):  # a line that nobody can read costs nothing
                        row = json.loads(line)
                        self.before += row.get("cost", 0.0) if isinstance(row, dict) else 0.0
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def cost(self) -> float:
        """US dollars, of this command and of those before it."""
        return self.before + sum(spent.cost for spent in self.by_role.values())

    @property
    def calls(self) -> int:
        """Answered calls of this command."""
        return sum(spent.calls for spent in self.by_role.values())

    def affords(self, calls: int) -> bool:
        """Whether so many calls, by this command in all, fit into the budget if they cost what its calls have cost so far."""
        if self.budget is None or not self.calls:
            return True
        return self.before + (self.cost - self.before) / self.calls * calls <= self.budget

    def set_aside(self, most: float) -> None:
        """Raises: RunStopped: with this request the budget could be exceeded."""
        if self.budget is not None and self.cost + self._set_aside + most > self.budget:
            raise self.exhausted()
        self._set_aside += most

    def exhausted(self) -> RunStopped:
        return RunStopped(
            f"--budget {self.budget:g}: ${self.cost:.4f} are spent, and the next calls could exceed it; what is done stays, "
            "a larger budget goes on"
        )

    def book(self, row: dict[str, Any], set_aside: float) -> None:
        """Write down one request that has ended."""
        self._set_aside -= set_aside
        asked = row.get("within", row["role"])
        self.by_role.setdefault((asked, row["model"]), Spent()).add(row)
        if self.path is not None:
            with disk_errors(self.path):
                if self._file is None:  # not before: a run without such calls has no ledger
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self.path.open("ab", buffering=0)
                self._file.write(encoded(row, str(self.path)))


@dataclass(frozen=True, slots=True)
class Metered:
    """Writes each request into the ledger: who was asked in which role, how long it took, tokens, cost, or why it failed."""

    inner: Chat
    model: str
    ledger: Ledger

    async def complete(self, request: ChatRequest) -> ChatReply:
        price = self.ledger.prices.get(self.model)
        # No tokenizer makes more tokens than bytes: this much is the most that the request can cost.
        most_in = sum(len(message.content.encode()) + BYTES_A_MESSAGE for message in request.messages)
        most = price.of(most_in, request.sampling.most_tokens) if price else 0.0
        self.ledger.set_aside(most)
        row: dict[str, Any] = {"role": request.role, "model": self.model, "seed": request.seed, "retry": request.retry}
        row |= {"within": request.within} if request.within else {}
        start = perf_counter()
        cost = most  # what is not known to be free is counted
        try:
            reply = await self.inner.complete(request)
        except ChatError as error:
            row["error"] = str(error)
            if not (isinstance(error, TransientError) and error.maybe_billed):
                cost = 0.0
            raise
        except asyncio.CancelledError:
            row["error"] = "given up: the run was stopped"
            raise
        else:
            if reply.tokens_in is None or reply.tokens_out is None:
                row["estimated"] = True
            tokens_in = most_in // BYTES_A_TOKEN if reply.tokens_in is None else reply.tokens_in
            tokens_out = len(reply.text.encode()) // BYTES_A_TOKEN if reply.tokens_out is None else reply.tokens_out
            row |= {"tokens_in": tokens_in, "tokens_out": tokens_out}
            row |= {name: value for name, value in (("cut", reply.cut), ("thoughts", reply.thoughts)) if value}
            cost = price.of(tokens_in, tokens_out) if price else 0.0
            return reply
        finally:
            row["seconds"] = round(perf_counter() - start, 4)
            if price:
                row["cost"] = round(cost, 9)
            self.ledger.book(row, most)
