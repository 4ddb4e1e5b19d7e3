"""Labels that may be wrong: `--noise`, and where its share comes from."""

import json
import shutil

import pytest

from aloe_hub.audit.noise import measured_noise
from aloe_hub.cli.app import main
from aloe_hub.errors import DataError, UsageError
from aloe_hub.training.noise import TAKING_NOISE
from aloe_hub.training.settings import train_settings
from aloe_hub.training.train import train
from tests.training.small import (  # noqa: F401 - fixtures
    a_base,
    a_grown_run,
    needs_fused,
    rows_to_train_on,
    settings,
    stopped_after,
)

HALF = {"epsilon": 0.2, "source": "by hand"}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(name="judged")
def a_run_with_trees(rows, grown):
    for name in ("trees.jsonl", "run.toml"):
        shutil.copy(grown / name, rows.file(name))
    return rows


def disagree(run, every):
    """In every so-manieth decided fork the two orders disagree: the reply shown first won both times, or the other one."""
    trees, number = lines(run.file("trees.jsonl")), 0
    for tree in trees:
        for turn in tree["turns"]:
            if turn["preferred"] is not None:
                number += 1
                if number % every == 0:
                    by_order = {verdict["order"]: verdict for verdict in turn["verdicts"]}
                    first = number % (2 * every) == 0
                    by_order["01"]["choice"], by_order["10"]["choice"] = (0, 1) if first else (1, 0)
                    turn["preferred"] = None
    run.file("trees.jsonl").write_text("".join(json.dumps(tree) + "\n" for tree in trees))


def test_what_both_orders_disagree_about_is_the_lower_bound(judged):
    assert measured_noise(judged.path)["epsilon"] == 0  # the scripted judge never contradicts itself
    disagree(judged, 3)
    found = measured_noise(judged.path)
    assert 0.03 < found["epsilon"] < 0.1  # D near 1/3: e (1 - e) = D / 2, e² / (e² + (1 - e)²) is 0.063
    assert found["source"].startswith("at least, by the two orders of ")


def test_the_audit_of_the_run_s_own_judge_goes_before_it(judged):
    def audited(judge, value):
        found = {"judges": {judge: {"order": {"label_noise": {"value": value, "interval": None}}}}}
        judged.file("audit.json").write_text(json.dumps(found))
        return measured_noise(judged.path)

    assert audited("scripted", 0.07) == {"epsilon": 0.07, "source": "at least, by audit.json of the judge scripted"}
    assert audited("semantic", 0.07)["source"].startswith("at least, by the two orders")  # it judged nothing here
    with pytest.raises(DataError, match=r"by audit.json of the judge scripted the verdicts are no better than guesses"):
        audited("scripted", None)


def test_a_run_without_trees_says_what_to_give_instead(rows):
    rows.file("trees.jsonl").unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"--noise measured: .* has neither trees nor an audit; give a share"):
        measured_noise(rows.path)


def test_it_is_printed_and_recorded_which_noise_was_taken(judged, base, capsys):
    disagree(judged, 3)
    command = ["train", "dpo", "--run", str(judged.path), "--base", str(base), "--limit", "4", "--set", "max_steps=1"]
    assert main([*command, "--noise", "measured"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "label noise 0.0" in said
    assert "at least, by the two orders of" in said
    record = json.loads((judged.path / "adapters/dpo/training.json").read_text())
    epsilon = record["settings"]["noise"]["epsilon"]
    assert epsilon == measured_noise(judged.path)["epsilon"] > 0
    assert (record["options"]["loss_type"], record["options"]["label_smoothing"]) == (["robust"], epsilon)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--noise", "0.5"], "--noise 0.5: must be at least 0 and less than 0.5"),
        (["--noise", "much"], "--noise 'much': expected measured, or a share such as 0.1"),
        (["--noise", "measured", "--data", "org/aloe-prefs"], "--noise measured: is of the trees of --run, without --data"),
        (["--noise", "0.1", "--set", "loss_type=hinge"], "--noise with loss_type hinge: has no place for it"),
        (["--noise", "0.1", "--set", "label_smoothing=0.2"], "--noise and label_smoothing = 0.2: are the same"),
        (["--noise", "0", "--set", "loss_type=lcpo"], "--noise 0 with loss_type lcpo: has nothing to begin with"),
    ],
    ids=str,
)
def test_noise_that_cannot_be_is_one_line(rows, base, capsys, options, message):
    assert main(["train", "dpo", "--run", str(rows.path), "--base", str(base), *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("method", ["sft", "rank"])
def test_noise_is_of_pairs(method):
    with pytest.raises(UsageError, match=f"--noise: is for dpo, and {method} has no pairs"):
        train_settings(method, {}, {"base": "pocket", "noise": HALF})


@pytest.mark.parametrize("loss", TAKING_NOISE)
def test_every_loss_that_takes_noise_is_told_it(loss):
    found = train_settings("dpo", {"dpo": {"loss_type": loss}}, {"base": "pocket", "noise": HALF})
    assert (found.options["loss_type"], found.options["label_smoothing"]) == ([loss], 0.2)


@needs_fused
@pytest.mark.torture
def test_lcpo_goes_on_with_the_share_of_right_labels_that_it_had_come_to(rows, base, monkeypatch):
    chosen = settings("dpo", base, max_steps=4, save_steps=1, loss_type="lcpo", noise=HALF)
    whole = train(rows, chosen, name="whole").record.report["log"]
    assert len({entry["noise/reliability"] for entry in whole}) == 4
    with monkeypatch.context() as patched:
        stopped_after(2, patched)
        with pytest.raises(KeyboardInterrupt):
            train(rows, chosen, name="stopped")
    assert train(rows, chosen, name="stopped", resume=True).record.report["log"] == whole
