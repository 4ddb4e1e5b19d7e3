"""Text from outside becomes valid once, and of an answer only the answer is kept."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub import text as border
from aloe_hub.text import Answer, answer_of, control_markers, identity, is_blank, valid
from tests.steps import steps, unbounded

TEXTS = st.text(st.characters()) | st.lists(
    st.sampled_from(["\ud83d", "\ude00", "e\u0301", "\u0344", "\0", "\u200b", " ", "\n", "가", "ᄀ", "ᅡ"]), max_size=50
).map("".join)


@given(TEXTS)
def test_a_valid_text_can_be_encoded_is_composed_and_stays_as_it_is(text):
    made = valid(text)
    made.encode()
    assert valid(made) == made
    assert unicodedata.is_normalized("NFC", made)
    assert not [char for char in made if unicodedata.category(char) == "Cc" and not char.isspace()]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a \ud83d b", "a \ufffd b"),
        ("\ud83d\ude00", "😀"),  # the two halves came in two pieces
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("ju\u0308rgen", "jürgen"),
        ("a\0b\x1b[0m", "ab[0m"),
        ("one\r\ntwo\u2028three\t", "one\r\ntwo\u2028three\t"),
        ("👩\u200d🌾 \u202eنص", "👩\u200d🌾 \u202eنص"),
    ],
)
def test_what_becomes_of_a_text(text, made):
    assert valid(text) == made


def test_a_text_of_endless_combining_marks_is_kept_as_it_is():
    text = "a" + "\u0323\u0301" * 1000
    assert valid(text) == text


@pytest.mark.parametrize("text", ["", " \n\t\u3000", "\u200b", "\u2060\ufeff", "\u202e\0", "\u3164\u115f", "\ufe0f\u00ad\u034f"])
def test_invisible_texts_are_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", "\u200ba", "?", "😀", "\ufffd", "\u0301"])
def test_visible_texts_are_not(text):
    assert not is_blank(text)


def test_texts_that_look_the_same_have_one_identity():
    same = ["She is Zoë.", "She is Zoe\u0308.", " She  is\u00a0Zoë.\u200b", "\ufeffShe is Zo\u200be\u0308.", "She\nis Zoë."]
    assert len({identity(text) for text in same}) == 1
    assert identity("She is Zoe.") != identity(same[0])


THOUGHTS = [
    "<think>\n{}\n</think>\n\n",
    "{}\n</think>\n\n",
    "<think></think><think>{}</think>",
    "<thinking>{}</thinking>",
    "<thought>{}</thought>",
    "<reasoning>{}</reasoning>\n",
    "<REASONING effort='high'>{}</REASONING>\n",
    "<seed:think>{}</seed:think>",
    "[THINK]{}[/THINK]",
    "◁think▷{}◁/think▷",
    "<|START_THINKING|>{}<|END_THINKING|><|START_RESPONSE|>",
    "<|begin_of_thought|>{}<|end_of_thought|>\n<|begin_of_solution|>",
    "<|channel>thought\n{}<channel|>",
    "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>commentary to=x<|message|>{}<|call|><|channel|>final <|constrain|>json<|message|>",
    "analysisThe task: {}assistantfinal",
    "Here is my thought process:\n{}\nHere is my response:\n",
]
ENDS = [
    "<|im_end|>",
    "<|eot_id|>",
    "</s>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<|end|>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
    "<turn|>",
]
ENDS += ["<|return|>", "<|END_OF_TURN_TOKEN|>", "<|im_end|>\n<|endoftext|>\n"]
ENDS += ["<|im_end|>\n<|im_start|>user\nAnd?", "<|eot_id|><|start_header_id|>user"]
WORDS = st.text(st.characters(categories=("L", "N", "Po", "Zs"), exclude_characters="`")).filter(lambda text: text.strip())


@pytest.mark.parametrize("form", THOUGHTS)
@given(thought=WORDS, said=WORDS, end=st.sampled_from(["", *ENDS]))
def test_thoughts_are_cut_off_before_and_control_tokens_behind(form, thought, said, end):
    found = answer_of(form.format(thought) + said + end)
    assert found.text == said.strip()
    assert found.reasoning >= 1
    assert (found.tokens > 0) or not end
    assert not found.open
    assert answer_of(found.text) == Answer(found.text)


@pytest.mark.parametrize("form", [form for form in THOUGHTS if not form.startswith("{}")])
def test_a_block_that_never_ends_is_an_answer_that_has_not_begun(form):
    begun = form.partition("{}")[0]
    found = answer_of(f"{begun} Score: 2")
    assert (found.text, found.open) == ("", True)


@given(WORDS)
def test_words_alone_are_their_own_answer(text):
    assert answer_of(text) == Answer(text.strip())


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<|im_start|>assistant\nHey!", "Hey!"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nHey!<|eot_id|>", "Hey!"),
        ("<think>x</think>\n<answer>Hey!</answer>", "Hey!"),
        ("Hey! <think>x</think>And you?", "Hey! And you?"),
        ("<think>she wrote <think> there</think>Hey!", "Hey!"),
        ("<think>I end with </think> now.</think>Hey!", "Hey!"),
        ("Qwen writes `<think>` first.", "Qwen writes `<think>` first."),
        ("It ends with `<|im_end|>`", "It ends with `<|im_end|>`"),
        ("I think < 3 and > 2", "I think < 3 and > 2"),
        ("analysis of the text", "analysis of the text"),
        ("Rugosa.</s> More text", "Rugosa.</s> More text"),  # not ours to mend: `control_markers` tells
        ("only thoughts\n</think>\n", ""),
    ],
)
def test_what_of_a_text_is_the_answer(raw, text):
    assert answer_of(raw).text == text


@given(st.lists(st.sampled_from([*THOUGHTS, *ENDS, "<think>", "a", "\n"]) | st.text(max_size=3), max_size=12).map("".join))
def test_no_text_is_too_odd(text):
    found = answer_of(text)
    assert found.text == found.text.strip()
    assert len(found.text) <= len(text)
    assert not (found.open and found.text)
    control_markers(text)


def test_control_markers_of_common_templates_are_found():
    text = "Try rugosa.<|im_end|>\n<|im_start|>user\nthanks<|endoftext|><|im_end|>"
    assert control_markers(text) == ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
    for marker in [
        *ENDS[:11],
        "<s>",
        "<bos>",
        "<start_of_turn>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<|start_header_id|>",
        "<｜User｜>",
        "[gMASK]",
    ]:
        assert control_markers(f"a{marker}b") == (marker,)
    assert control_markers("a < b | c > d, <b>bold</b>, [a list], x|y") == ()


def test_no_pattern_repeats_without_bound():
    patterns = [value for value in vars(border).values() if isinstance(value, re.Pattern)]
    patterns += [begins for begins, _ in border._SPELT_OUT]
    assert unbounded(patterns) == []


@pytest.mark.parametrize("read", [valid, is_blank, identity, answer_of, control_markers])
@pytest.mark.parametrize(
    "piece", ["\ud83d", "\u0323\u0301", " ", "\u200b", *ENDS, "<think>", "</think>", "<|channel|>final<|message|>", "<s> ", "<|"]
)
def test_twice_the_text_is_at_most_twice_the_steps(read, piece):
    assert steps(read, piece * 600) <= 2 * steps(read, piece * 300) + 50
