"""What a benchmark's files say of adaptation: the slope on what was revealed, and whoever knows more than was."""

import pytest

from aloe_hub.files.jsonl import write_rows
from aloe_hub.results.read import read_runs

REVEALED = [0.1, 0.5, 0.9]
CURVES = {
    "scripted:tailored": (REVEALED, [2.0, 3.0, 4.0]),
    "early": (REVEALED, [4.0, 4.0, 4.0]),
    "unmeasured": (None, [1.0, 2.0, 3.0]),
}


@pytest.fixture(name="policies")
def policies_of_a_run(tmp_path):
    folder = tmp_path / "scores"
    folder.mkdir()
    for name, (revealed, curve) in CURVES.items():
        rows = [
            {
                "conversation_id": f"{place:016x}",
                "persona_id": f"{place:016x}",
                "profile_id": f"profile {place % 4}",
                "personality_id": f"personality {place // 4}",
                "scores": [one + 0.1 * (place % 3) for one in curve],
            }
            | ({"revealed": revealed} if revealed else {})
            for place in range(12)
        ]
        write_rows(folder / f"{name}.jsonl", rows)
    return {policy.policy: policy for policy in read_runs([tmp_path]).runs[0].policies}


def test_the_slope_on_what_was_revealed_stands_beside_ir_where_that_was_measured(policies):
    oracle = policies["scripted:tailored"].adaptation
    assert oracle.slope == pytest.approx(2 / 0.8)
    assert oracle.slope_ci == pytest.approx((2.5, 2.5))
    assert oracle.by_conversation == pytest.approx([2.5] * 12)
    assert policies["early"].adaptation.slope == pytest.approx(0)
    assert policies["unmeasured"].adaptation is None


def test_a_policy_that_begins_above_the_oracle_knows_more_than_was_revealed(policies):
    assert policies["early"].above_oracle == pytest.approx((2, 2))
    assert policies["scripted:tailored"].above_oracle is None
    assert policies["unmeasured"].above_oracle is None
