"""The plan of the Pareto curve, and the table that it makes of conversations."""

import miniature
import pareto

from aloe_hub.cli.app import main


def test_every_model_learns_from_the_same_replies_and_differs_in_its_weights_alone(tmp_path):
    cells = {cell.name: cell for cell in pareto.study(tmp_path, 2, pareto.Sizes())}
    assert {need for cell in cells.values() for need in cell.needs} <= cells.keys()
    trained = [cell for cell in cells.values() if "train" in cell.command]
    assert len(trained) == 2 * 2 * len(pareto.SHARES)
    for kind in ("sampled", "apart"):
        of_kind = [cell for cell in trained if cell.command[cell.command.index("--run") + 1] == str(tmp_path / kind)]
        assert all(f"asked-{cell.name}" in cells for cell in of_kind)
        weights = [cell.command[cell.command.index("--set") + 1] for cell in of_kind[::2]]
        assert weights[0] == "objectives={style=0.0,content=1.0}"
        assert len(set(weights)) == len(pareto.SHARES)


def test_the_table_says_what_is_gained_in_each_objective(tmp_path, monkeypatch):
    run = tmp_path / "asked"
    assert main(["personas", "--run", str(run), "--recipe", str(miniature.RECIPE), "--profiles", "8", "--personalities", "6",
                 "--test-profiles", "2", "--test-personalities", "2", "--pairings", "1"]) == 0  # fmt: skip
    policies = {"one": "scripted:style", "other": "scripted:facts"}
    for policy in ("scripted:plain", *policies.values()):
        assert main(["evaluate", "--run", str(run), "--policy", policy, "--turns", "3"]) == 0
    monkeypatch.setattr(pareto, "SHARES", ())
    monkeypatch.setattr(pareto, "START", "scripted:plain")
    monkeypatch.setattr(pareto, "BESIDE", policies | {"start": "scripted:plain"})
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in pareto.table(tmp_path, 1).splitlines()[2:]}
    style, content = ({name: float(row[at].split()[0]) for name, row in rows.items()} for at in (2, 3))
    assert style["one"] > style["start"]
    assert content["other"] > content["start"]
    assert content["other"] > content["one"]
