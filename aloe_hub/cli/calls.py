"""How models behind endpoints are asked: the options of every command that asks them, and what is told of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.table import Table

from aloe_hub.cli.progress import err, out

if TYPE_CHECKING:
    from aloe_hub.chat.ledger import Ledger, Spent
    from aloe_hub.chat.traffic import Traffic
    from aloe_hub.stages.forecast import Forecast

_option = partial(typer.Option, rich_help_panel="Models behind endpoints")


@dataclass(frozen=True)
class Asking:
    """How models behind endpoints are asked. Each field is an option of every command that `asks_models`."""

    requests_per_minute: Annotated[float | None, _option(help="As the server allows.", show_default="no limit")] = None
    tokens_per_minute: Annotated[float | None, _option(help="In and out, as the server allows.", show_default="no limit")] = None
    timeout: Annotated[float, _option(help="Seconds to wait for a reply.")] = 120
    attempts: Annotated[int, _option(help="How often a call that fails for a temporary reason is tried.")] = 8
    prices: Annotated[
        Path | None, _option(help="TOML: a table for each model string, input and output in $ for a million tokens.")
    ] = None
    budget: Annotated[float | None, _option(help="Stop before the run's calls cost more, in $; needs --prices.")] = None
    extra_body: Annotated[
        list[str] | None,
        _option(metavar="[ROLE=]JSON", help="Further fields of each request, or of one role's; null leaves one out. Repeatable."),
    ] = None
    structured: Annotated[
        bool, _option("--structured", help="Ask judge, inferrer and generators for JSON of a schema; text where that is unknown.")
    ] = False

    def settings(self, table: Mapping[str, Any], roles: Iterable[str]) -> dict[str, Any]:
        """What of it decides the bytes of a stage with these roles, over the recipe's `table`: settings given by hand."""
        from aloe_hub.files.settings import with_extra_bodies

        sampling = with_extra_bodies(table.get("sampling"), self.extra_body or (), roles)
        return {"sampling": sampling, "structured": self.structured or None}


def asks_models(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `Asking` in place of its last parameter, `asking`."""
    *own, _ = signature(command, eval_str=True).parameters.values()
    types = get_type_hints(Asking, include_extras=True)
    options = [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=types[one.name]) for one in fields(Asking)
    ]

    @wraps(command)
    def with_options(*arguments: Any, **given: Any) -> None:  # noqa: ANN401 - whatever the command takes
        asking = Asking(**{name: given.pop(name) for name in types if name in given})
        command(*arguments, **given, asking=asking)

    with_options.__signature__ = Signature([*own, *options])  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in (*own, *options)}
    return with_options


@contextmanager
def traffic(ledger: Path | None, asking: Asking, *, concurrency: int) -> Iterator[Traffic]:
    """The traffic of one command, its calls booked in the file `ledger`; told at its end, whatever the end is."""
    from aloe_hub.chat.ledger import Ledger, read_prices
    from aloe_hub.chat.traffic import Limits, Traffic
    from aloe_hub.errors import UsageError

    limits = Limits(
        concurrency=concurrency,
        requests_per_minute=asking.requests_per_minute,
        tokens_per_minute=asking.tokens_per_minute,
        timeout=asking.timeout,
        attempts=asking.attempts,
    )
    budget, prices = asking.budget, asking.prices
    if budget is not None and not budget > 0:
        raise UsageError(f"--budget {budget:g}: must be more than 0; leave it out for no limit")
    if budget is not None and prices is None:
        raise UsageError(f"--budget {budget:g}: what do the models cost? Give --prices FILE.toml")
    with Ledger(ledger, read_prices(prices) if prices else {}, budget) as booked:
        try:
            yield Traffic(limits, booked)
        finally:
            tell(booked)


def tell(ledger: Ledger) -> None:
    """What was asked of whom, and what it cost; nothing where nobody was asked."""
    for model, roles in _by_model(ledger.by_role):
        table = _table("role", "calls", "unanswered", "cut off", "tokens in", "out", "s a call", "$")
        for role, spent in roles:
            numbers = (spent.calls, spent.failed, spent.cut, spent.tokens_in, spent.tokens_out)
            seconds = f"{spent.seconds / spent.calls:.2f}" if spent.calls else "–"
            cost = f"{spent.cost:.4f}" if model in ledger.prices else "–"
            table.add_row(role, *(f"{number:,}" for number in numbers), seconds, cost)
        err.print(model, soft_wrap=True)
        err.print(table)
    if thoughts := sum(spent.thoughts for spent in ledger.by_role.values()):
        err.print(f"reasoning was cut off from {thoughts:,} answers")
    if ledger.before:
        err.print(f"${ledger.cost:.4f} in all, with ${ledger.before:.4f} of earlier commands")


def tell_failures(failed: str, reason: str) -> None:
    """How many failed, and why the first did: as the last line, for that is the one which is read."""
    err.print(f"{failed} failed; the first: {' '.join(reason.split())}", soft_wrap=True)


def tell_forecast(forecast: Forecast, ledger: Ledger) -> None:
    """What is to be expected, for all trees that are left."""
    if not forecast.spent:
        out.print(f"{forecast.left} trees to grow; their models are scripted, and cost nothing")
        return
    total = 0.0
    for model, roles in _by_model(forecast.spent):
        table = _table("role", "calls", "tokens in", "out", "$")
        for role, spent in roles:
            cost = forecast.times(spent.cost)
            total += cost
            numbers = (forecast.times(value) for value in (spent.calls, spent.tokens_in, spent.tokens_out))
            table.add_row(
                role, *(f"{number:,.0f}" for number in numbers), f"{cost:.2f}" if model in ledger.prices else "no price"
            )
        out.print(model, soft_wrap=True)
        out.print(table)
    failed = f", {forecast.failed} of which failed" if forecast.failed else ""
    out.print(f"{forecast.left} trees to grow; forecast from {forecast.sample} that were grown and not kept{failed}")
    if ledger.prices:
        out.print(f"${total:.2f} in all; the sample itself cost ${ledger.cost:.4f}")


def _by_model(spent: Mapping[tuple[str, str], Spent]) -> Iterator[tuple[str, list[tuple[str, Spent]]]]:
    """A model's string stands above its table: it is easily as long as the terminal is wide."""
    for model in dict.fromkeys(model for _, model in spent):
        yield model, [(role, found) for (role, one), found in spent.items() if one == model]


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
