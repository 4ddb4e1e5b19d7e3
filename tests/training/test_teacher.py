"""`--set teacher=ADAPTER`: an adapter that DPO has made teaches another training which words were better."""

import json

import pytest

from aloe_hub.cli.app import main
from aloe_hub.errors import DataError, UsageError
from aloe_hub.training.train import train
from tests.training.small import (  # noqa: F401 - fixtures
    a_base,
    a_grown_run,
    needs_fused,
    rows_to_train_on,
    settings,
    stopped_after,
)

pytestmark = needs_fused
WEIGHTS = "adapter_model.safetensors"


def test_a_student_is_taught_by_what_dpo_made_of_the_teacher(rows, base, capsys):
    command = ["train", "dpo", "--run", str(rows.path), "--base", str(base), "--limit", "6", "--batch-size", "2", "--lr", "1e-2"]
    assert main([*command, "--name", "first", "--set", "max_steps=1"]) == 0
    assert main([*command, "--name", "teacher", "--adapter", str(rows.path / "adapters/first"), "--set", "max_steps=2"]) == 0
    taught = [f"teacher={rows.path / 'adapters/teacher'}", "guidance=0.5", "max_steps=2"]
    assert main([*command, "--name", "student", *(word for one in taught for word in ("--set", one))]) == 0
    assert "adapters/student: trained, 2 steps" in capsys.readouterr().out
    record = json.loads((rows.path / "adapters/student/training.json").read_text())
    assert record["options"]["loss_type"] == ["sft"]
    assert record["settings"]["guidance"] == 0.5
    assert len(record["settings"]["teacher"]["sha256"]) == 64
    first, second = record["report"]["log"]
    assert second["guidance"] < first["guidance"]  # it follows its teacher
    assert record["report"]["tokens"]["processed"] < record["report"]["tokens"]["exploded"]


@pytest.mark.torture
def test_a_stopped_training_with_a_teacher_ends_with_the_same_bytes(rows, base, monkeypatch):
    teacher = train(rows, settings("dpo", base, max_steps=1), name="teacher").folder
    chosen = settings("dpo", base, max_steps=2, save_steps=1, teacher=str(teacher))
    whole = train(rows, chosen, name="whole")
    with monkeypatch.context() as patched:
        stopped_after(1, patched)
        with pytest.raises(KeyboardInterrupt):
            train(rows, chosen, name="stopped")
    again = train(rows, chosen, name="stopped", resume=True)
    assert (again.folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()


def test_who_has_learned_no_preferences_is_no_teacher(rows, base, tmp_path):
    learned = train(rows, settings("sft", base, max_steps=1), name="sft").folder
    with pytest.raises(DataError, match="sft: trained by sft; name an adapter that aloe train dpo made"):
        train(rows, settings("dpo", base, teacher=str(learned)), name="student")
    (learned / "training.json").unlink()
    with pytest.raises(DataError, match=r"no training.json in it, which says what it was before"):
        train(rows, settings("dpo", base, teacher=str(learned)), name="student")
    with pytest.raises(DataError, match=r"teacher .*: no adapter_config.json"):
        train(rows, settings("dpo", base, teacher=str(base)), name="student")


def test_a_teacher_is_for_pairs_and_guidance_is_a_teachers(base):
    with pytest.raises(UsageError, match="teacher: is for dpo, and sft has no rejected replies"):
        settings("sft", base, teacher="somebody")
    with pytest.raises(UsageError, match="guidance: is that of a teacher"):
        settings("dpo", base, guidance=0.5)
    with pytest.raises(UsageError, match=r"guidance -1.0: must be at least 0"):
        settings("dpo", base, teacher="somebody", guidance=-1.0)
