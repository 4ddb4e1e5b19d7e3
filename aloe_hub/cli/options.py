"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Run = Annotated[Path, typer.Option(help="The run folder.", show_default=False)]
Recipe = Annotated[str | None, typer.Option(help="A recipe's name or TOML file; options given by hand win over it.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same bytes.", show_default="0")]
Limit = Annotated[int | None, typer.Option(help="Only the first N personas.", show_default="all")]
Model = Annotated[str | None, typer.Option(help="A model string, such as scripted.", show_default="scripted")]
User = Annotated[str | None, typer.Option(help="Model of the simulated user, instead of --model.")]
Judge = Annotated[str | None, typer.Option(help="Model of the judge, instead of --model; semantic judges by embeddings.")]
Temperature = Annotated[
    float | None, typer.Option(help="Of the policy's replies; 0 takes the likeliest token.", show_default="0.7")
]
Rejudge = Annotated[
    Path | None,
    typer.Option(help="Judge what this run has finished by another judge; nobody says anything anew.", show_default="no"),
]
Turns = Annotated[int | None, typer.Option(help="Turns of each conversation.", show_default="10")]
Concurrency = Annotated[int, typer.Option(help="Requests in flight at once, and about as many conversations.")]
Pairings = Annotated[int | None, typer.Option(help="Personalities paired with each profile.", show_default="10")]
HELD_OUT = (
    "Profiles held out; 0 keeps all. 20 x 5 personalities is the authors' layout; 10 x 10 gives narrower intervals where "
    "personalities matter (sd .3: ±.31, not ±.39), wider ones where they do not (sd 0: ±.24, not ±.16)."
)
TestProfiles = Annotated[int | None, typer.Option(help=HELD_OUT, show_default="20")]
TestPersonalities = Annotated[int | None, typer.Option(help="Personalities held out.", show_default="5")]


def recipe_table(recipe: str | None, stage: str) -> dict[str, Any]:
    """What the recipe says of one stage."""
    from aloe_hub.files.settings import read_recipe

    return dict(read_recipe(recipe).get(stage, {})) if recipe else {}


def first(*values: Any) -> Any:  # noqa: ANN401 - what a recipe holds may be of any type
    """The first value that was given: by hand, else by the recipe, else the default."""
    return next((value for value in values if value is not None), None)
