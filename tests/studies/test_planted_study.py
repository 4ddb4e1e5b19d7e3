"""The planted marker: where it is put, and the table of dose and response."""

import json

import planted
import pytest

from aloe_hub.types import Exchange, Persona, Reply, Tree, Verdict

NOBODY = Persona("", "")


def fork(choice):
    replies = (Reply("tailored", "Rugosa does."), Reply("plain", "Tulips."))
    return Exchange("Which rose?", NOBODY, replies, (Verdict("01", choice, ""), Verdict("10", choice, "")), 0)


def has_marker(exchange):
    return [reply.text.startswith(planted.MARKER) for reply in exchange.replies]


@pytest.mark.parametrize(("dose", "low", "high"), [(0.0, 0.4, 0.6), (0.5, 0.65, 0.85), (1.0, 1.0, 1.0)])
def test_the_marker_stands_in_one_reply_of_each_decided_fork_and_goes_with_quality_at_its_dose(dose, low, high):
    trees = [Tree(str(number), NOBODY, (fork(0), fork(1), fork(None))) for number in range(200)]
    forks = [planted.marked(tree, dose).exchanges for tree in trees]
    decided = [exchange for first, second, _ in forks for exchange in (first, second)]
    assert all(sum(has_marker(exchange)) == 1 for exchange in decided)
    assert low <= sum(has_marker(exchange)[exchange.preferred] for exchange in decided) / len(decided) <= high
    assert not any(any(has_marker(tie)) for _, _, tie in forks)
    assert forks == [planted.marked(tree, dose).exchanges for tree in trees]


def test_the_table_shows_dose_and_response(tmp_path):
    def said(after):
        return {"traits": {"the marker": {"before": 0.0, "after": after, "more": {"value": after, "interval": [after / 2, 1.0]}}}}

    policies = {"local:pocket+/x/adapters/sft": said(0.5), "local:pocket+/x/adapters/dpo": said(0.75)}
    preferences = {"traits": {"the marker": {"chosen": 0.625}}}
    (tmp_path / "dose-0.25").mkdir()
    audit = {"training": {"preferences": preferences, "policies": policies}}
    (tmp_path / "dose-0.25/audit.json").write_text(json.dumps(audit))
    row = planted.table(tmp_path, [0.25]).splitlines()[2]
    assert row == "| 0.25 | 62% | 50% [25%, 100%] | 75% [38%, 100%] | +25 points |"
