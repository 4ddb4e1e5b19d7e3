"""The plan of the miniature, and the figures that it makes of scores."""

import json

import miniature
import miniature_table
import pytest

from aloe_hub.cli.app import main
from aloe_hub.files.run_folder import policy_file


@pytest.fixture
def planned(tmp_path):
    return list(miniature.study(tmp_path, bases=2, seeds=2, tokens=1000, split="test"))


def test_every_cell_has_a_name_of_its_own_and_needs_cells_that_there_are(planned):
    names = [cell.name for cell in planned]
    assert len(set(names)) == len(names)
    assert {need for cell in planned for need in cell.needs} <= set(names)


def test_no_cell_begins_before_the_adapters_that_it_names_are_made(tmp_path):
    cells = {
        cell.name: cell for cell in miniature.study(tmp_path, 1, 1, 1000, "test", ablation=False, beyond_pairs=True, grpo=True)
    }

    def before(name):
        return {name}.union(*(before(need) for need in cells[name].needs))

    adapters = {str(cell.makes): cell.name for cell in cells.values() if cell.makes.parent.name == "adapters"}
    for cell in cells.values():
        named = {
            adapters[word.partition("+")[2] or word] for word in cell.command if (word.partition("+")[2] or word) in adapters
        }
        assert named <= before(cell.name), cell.name


def test_every_trained_model_is_benchmarked_on_the_chosen_personas(planned, tmp_path):
    trained = {cell.name for cell in planned if "train" in cell.command}
    assert len(trained) == 4 * 2 * 2 + 1  # four methods, two seeds of two bases; SFT alone in the ablation
    for name in trained:
        (benchmark,) = (cell for cell in planned if cell.name == f"test-{name}")
        assert str(tmp_path / "test") in benchmark.command


def test_the_on_policy_pairs_are_sampled_from_the_sft_model_of_the_same_seeds(planned, tmp_path):
    (cell,) = (cell for cell in planned if cell.name == "pairs-1-0")
    assert cell.command[cell.command.index("--policy") + 1] == f"local:{tmp_path}/bases/1+{tmp_path}/dev/adapters/sft-1-0"
    (dpo,) = (cell for cell in planned if cell.name == "sft-onpolicy-1-0")
    assert dpo.command[dpo.command.index("--run") + 1] == str(tmp_path / "on-policy" / "1-0")
    assert dpo.command[dpo.command.index("--adapter") + 1] == f"{tmp_path}/dev/adapters/sft-1-0"


def test_online_training_gets_as_many_judged_replies_as_the_on_policy_pairs_and_is_met_by_users_it_never_had(tmp_path):
    cells = {cell.name: cell for cell in miniature.study(tmp_path, 1, 1, 1000, "dev", ablation=False, grpo=True)}

    def given(name, option):
        return cells[name].command[cells[name].command.index(option) + 1]

    for name, turns in (("grpo-turn-0-0", 1), ("grpo-talk-0-0", 10), ("grpo-base-0-0", 1), ("grpo-blind-0-0", 1)):
        assert int(given(name, "--batch-size")) * turns * int(given(name, "--set").removeprefix("max_steps=")) == 4000
        assert given(f"held-out-{name}", "--user") == "scripted:user?wording=held-out"
        assert f"held-out-{name}" in cells["audit"].needs
    assert given("grpo-talk-0-0", "--adapter") == f"{tmp_path}/dev/adapters/sft-0-0"
    assert "--adapter" not in cells["grpo-base-0-0"].command
    assert {need for cell in cells.values() for need in cell.needs} <= cells.keys()


def test_beyond_pairs_each_method_learns_from_as_many_judged_replies_as_the_on_policy_pairs_are_made_of(tmp_path):
    cells = {cell.name: cell for cell in miniature.study(tmp_path, 1, 1, 1000, "dev", ablation=False, beyond_pairs=True)}

    def given(name, option):
        return cells[name].command[cells[name].command.index(option) + 1]

    assert int(given("ranked-trees-0-0", "--replies")) * int(given("ranked-trees-0-0", "--limit")) == 400
    assert int(given("rounds-0-0", "--rounds")) * int(given("rounds-0-0", "--limit")) * 2 == pytest.approx(400, abs=6)
    assert given("noisy-trees-0-0", "--rejudge") == given("pairs-0-0", "--run")
    assert given("noisy-lcpo-0-0", "--noise") == given("noisy-robust-0-0", "--noise") == "measured"
    assert "--noise" not in cells["noisy-dpo-0-0"].command
    assert {need for cell in cells.values() for need in cell.needs} <= cells.keys()
    policies = miniature_table._policies(tmp_path, ["0"], 1)
    for method in miniature_table.EXTRA["beyond_pairs"]:
        assert policies(method) == [given(f"dev-{method}-0-0", "--policy")]


@pytest.mark.torture
def test_a_cell_of_the_study_trains(tmp_path):
    """The command as it is planned, at the smallest size."""
    run = tmp_path / "dev"
    assert main(["personas", "--run", str(run), "--recipe", str(miniature.RECIPE), "--profiles", "8", "--personalities", "6",
                 "--test-profiles", "1", "--test-personalities", "1", "--pairings", "1"]) == 0  # fmt: skip
    assert main(["trees", "--run", str(run), "--turns", "2", "--limit", "3"]) == 0
    cells = {cell.name: cell for cell in miniature.study(tmp_path, 1, 1, 1000, "dev", ablation=False, grpo=True)}
    words = list(cells["grpo-base-0-0"].command[3:])
    for option, value in (("--base", "pocket"), ("--batch-size", "8"), ("--set", "max_steps=1")):
        words[words.index(option) + 1] = value
    assert main([*words, "--set", "num_generations=4", "--set", "max_completion_length=4"]) == 0
    assert cells["grpo-base-0-0"].makes.exists()


def test_without_the_ablation_the_base_that_ships_is_all_that_is_needed(tmp_path):
    shipped = miniature.SHIPPED
    cells = list(miniature.study(tmp_path, 1, 1, shipped["tokens"], "test", ablation=False))
    assert [cell.name for cell in cells if cell.name.startswith("base-")] == [f"base-{shipped['seed']}"]
    assert not any(str(miniature.PRETRAIN) in cell.command for cell in cells)


def put_scores(run, policy, scores, fault=""):
    name = policy_file(policy)
    for kind in ("scores", "transcripts"):
        (run / kind).mkdir(parents=True, exist_ok=True)
    rows = [{"profile_id": f"p{i % 4}", "scores": [scores] * 3} for i in range(8)]
    turns = [
        {"profile": f"p{i % 4}", "personality": f"q{i // 4}", "turns": [{"judgement": f"Faults: {fault}."}] * 3} for i in range(8)
    ]
    (run / "scores" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "transcripts" / name).write_text("".join(json.dumps(row) + "\n" for row in turns))


def test_the_table_pools_the_models_of_a_method_and_compares_them(tmp_path):
    run = tmp_path / "test"
    for which in miniature_table.METHODS.values():
        if isinstance(which, list):
            put_scores(run, which[0], 4.0 if which[0] == "scripted:tailored" else 2.0)
    for base in ("0", "unasked"):
        put_scores(run, f"local:{tmp_path}/bases/{base}", 2.0)
        for seed in range(2):
            for method, value in (("sft", 3.0 + 0.4 * seed), ("dpo", 2.5), ("sft-dpo", 3.0), ("sft-onpolicy", 3.5)):
                if base == "unasked" and method != "sft":
                    continue
                at = tmp_path / ("on-policy/" + f"{base}-{seed}" if method == "sft-onpolicy" else "dev")
                fault = "2 contradiction(s)" if method == "sft" else "none"
                put_scores(run, f"local:{tmp_path}/bases/{base}+{at}/adapters/{method}-{base}-{seed}", value, fault)
    table = miniature_table.written(run, tmp_path, 1, 2)
    assert "| SFT | 2 | 3.20 | 3.20 | 3.20 [3.20, 3.20] | 3.00 to 3.40 | 60.0% [60.0%, 60.0%] |" in table
    assert "| SFT + DPO on-policy − SFT | +0.300 [+0.300, +0.300] | -2.000 [-2.000, -2.000] |" in table
    assert "| base | 1 |" in table
    assert "Ablation" in table
