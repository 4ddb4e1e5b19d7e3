"""How the pocket model is made: the encoder agrees with the chat template, a stopped run goes on, probes are the judge's."""

from random import Random

import pytest
import torch

from aloe_hub.world import corpus


def messages(dialogue):
    return [
        {"role": role, "content": text}
        for said in dialogue
        for role, text in (("user", said.user), ("assistant", said.assistant))
    ]


def test_the_encoder_gives_what_the_chat_template_gives(pretrain, tokenizer):
    random = Random(2)
    dialogues = [corpus.dialogue(random, turns) for turns in (1, 3, 6)]
    ids, mask = pretrain.Encoder(tokenizer)(dialogues)
    assert ids.shape[1] % pretrain.ROUND == 0
    for row, own, dialogue in zip(ids, mask, dialogues, strict=True):
        encoded = tokenizer.apply_chat_template(messages(dialogue), return_dict=True, return_assistant_tokens_mask=True)
        length = len(encoded["input_ids"])
        assert row[:length].tolist() == encoded["input_ids"]
        assert own[:length].int().tolist() == encoded["assistant_masks"]
        assert (row[length:] == tokenizer.pad_token_id).all()
        assert not own[length:].any()


def test_every_assistant_token_is_predicted_once_from_the_one_before_it(pretrain, tokenizer):
    ids, mask = pretrain.Encoder(tokenizer)([corpus.dialogue(Random(5), 4), corpus.recall_drill(Random(5))])
    at, labels = pretrain.predicted(ids, mask)
    real = labels != pretrain.NOTHING
    assert len(at) % (4 * pretrain.ROUND) == 0
    assert labels[real].tolist() == ids[mask].tolist()
    assert (ids.flatten()[at[real] + 1] == labels[real]).all()


def test_a_system_message_is_refused_since_the_model_never_saw_one(tokenizer):
    with pytest.raises(Exception, match="knows the roles user and assistant, not system"):
        tokenizer.apply_chat_template([{"role": "system", "content": "Be kind."}])


class Stopped(Exception):
    pass


def test_a_stopped_pre_training_goes_on_as_if_it_had_never_stopped(pretrain, tokenizer, tmp_path, monkeypatch):
    plan = pretrain.Plan(seed=3, tokens=40_000, hidden=32, layers=1, heads=2)
    monkeypatch.setattr(pretrain, "CHECKPOINT_EVERY", 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole, _ = pretrain.pretrain(plan, tmp_path / "whole", tokenizer)
    draw = pretrain.dialogues_of

    def until(step):
        def drawn(plan, at, *rest):
            if at == step:
                raise Stopped
            return draw(plan, at, *rest)

        return drawn

    for step in (6, 9):
        monkeypatch.setattr(pretrain, "dialogues_of", until(step))
        with pytest.raises(Stopped):
            pretrain.pretrain(plan, tmp_path / "stopped", tokenizer)
    monkeypatch.setattr(pretrain, "dialogues_of", draw)
    resumed, _ = pretrain.pretrain(plan, tmp_path / "stopped", tokenizer)
    torch.set_num_threads(threads)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_checkpoint_of_another_plan_is_refused(pretrain, tokenizer, tmp_path):
    torch.save({"plan": {"seed": 9}}, tmp_path / "checkpoint.pt")
    with pytest.raises(SystemExit, match="of another plan"):
        pretrain.pretrain(pretrain.Plan(hidden=32, layers=1, heads=2), tmp_path, tokenizer)


def test_the_ablation_draws_from_a_mix_without_requests(pretrain):
    unasked = pretrain.Plan(mix="unasked").requests()
    assert set(unasked) == {"plain", "recall"}
    assert set(pretrain.Plan().requests()) > set(unasked)


def test_the_probe_of_an_untrained_model_is_far_from_the_oracle(pretrain, tokenizer):
    model = pretrain.make_model(pretrain.Plan(hidden=32, layers=1, heads=2), tokenizer)
    found = pretrain.probe(model, tokenizer, people=2)
    assert found["oracle"] > 4
    assert found["both"] < 2
    assert found["recall"] == 0
