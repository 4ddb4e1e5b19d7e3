"""What a run will take, from a few trees that are not kept."""

import pytest

from aloe_hub.chat.base import ChatReply
from aloe_hub.chat.ledger import Ledger, Price
from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import ChatError
from aloe_hub.stages.forecast import forecast_trees
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from tests.fakes import opening

MODEL = "local:org/counted"  # a model in this process is written down; the scripted world is not


class Counted:
    """The scripted world, which says that each call took 10 tokens in and 2 out."""

    async def complete(self, request):
        return ChatReply((await Scripted().complete(request)).text, tokens_in=10, tokens_out=2)


@pytest.fixture
def settings():
    return TreeSettings(models=dict.fromkeys(ROLES, MODEL), turns=3)


def priced(opened=lambda model: Counted() if model == MODEL else Scripted()):
    return opening(opened, ledger=Ledger(prices={MODEL: Price(1.0, 5.0)}))


def test_the_sample_stands_for_all_trees_and_nothing_is_written(run, settings):
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    found = forecast_trees(run, settings, 4, traffic=priced())
    assert (found.left, found.sample, found.failed) == (20, 4, 0)
    spent = found.spent[("user", MODEL)]
    assert found.times(spent.calls) == 20 * 3
    assert found.times(spent.tokens_in) == 20 * 3 * 10
    assert found.times(spent.cost) == pytest.approx(20 * 3 * (10 * 1.0 + 2 * 5.0) / 1e6)
    assert {path: path.read_bytes() for path in run.path.iterdir()} == before


def test_the_forecast_is_what_the_run_then_takes(run, settings):
    sure = forecast_trees(run, settings, 20, traffic=priced())
    real = priced()
    grow_all(run, settings, traffic=real)
    assert {key: (spent.calls, spent.cost) for key, spent in real.ledger.by_role.items()} == {
        key: (spent.calls, pytest.approx(spent.cost)) for key, spent in sure.spent.items()
    }


def test_what_is_grown_already_is_not_forecast(run, settings):
    grow_all(run, settings, traffic=priced())
    lines = run.file("trees.jsonl").read_text().splitlines(keepends=True)
    run.file("trees.jsonl").rename(run.file("trees.jsonl.partial"))
    run.file("trees.jsonl.partial").write_text("".join(lines[:13]) + lines[13][:40])
    assert forecast_trees(run, settings, 2, traffic=priced()).left == 7


def test_a_sample_that_fails_is_told(run, settings):
    class Fails:
        async def complete(self, request):
            if request.role == "judge":
                raise ChatError("no judge today")
            return await Counted().complete(request)

    assert forecast_trees(run, settings, 3, traffic=priced(lambda model: Fails())).failed == 3
