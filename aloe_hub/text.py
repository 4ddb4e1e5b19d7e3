"""The one border for text: what comes in from outside becomes valid Unicode here, and of an answer only the answer is kept.

Models put their reasoning and their control tokens into the text they answer with, in the dialect of their chat template; servers
send half emojis. Nothing further in has to know of either. Every pattern here is bounded, so that the work is linear in the
length of a text whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_RUN = 30  # combining marks on one letter: no language has more, and normalising sorts each run
_VARIATIONS = map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
_INVISIBLE = frozenset((*"\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0", *_VARIATIONS))


def valid(text: str) -> str:
    """`text` as valid Unicode: lone surrogates replaced, composed (NFC), without control characters that are no white space.

    The two halves of an emoji that came in two pieces are joined. A text with over 30 combining marks in a row is not composed.

    >>> valid("half \\ud83d, u\\u0308ber\\0")
    'half \ufffd, über'
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if not text.isprintable():
        text = text.translate(_WITHOUT_CONTROLS)
    if text.isascii() or _longest_run(text) > _LONGEST_RUN:
        return text
    return unicodedata.normalize("NFC", text)


def is_valid(text: str) -> bool:
    """Whether UTF-8 can hold it: JSON can also hold half of an emoji.

    >>> is_valid("ü"), is_valid("half \\ud83d")
    (True, False)
    """
    return not _SURROGATE.search(text)


def visible(text: str) -> str:
    """`text` without format characters (zero-width, bidirectional, variation selectors, …).

    >>> visible("a\\u200bb")
    'ab'
    """
    return text if text.isascii() else text.translate(_WITHOUT_INVISIBLE)


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing: white space, format and control characters only.

    >>> is_blank(" \\u200b\\ufeff\\n"), is_blank("?")
    (True, False)
    """
    return all(char.isspace() or _is_invisible(char) or unicodedata.category(char) == "Cc" for char in text)


def identity(text: str) -> str:
    """A key that two texts share if a reader cannot tell them apart: only for comparing, never to be kept.

    >>> identity(" She sews.\\u200b") == identity("She\\u00a0 sews.")
    True
    """
    return " ".join(valid(visible(valid(text))).split())


@dataclass(frozen=True, slots=True)
class Answer:
    """What of a model's text is the answer, and what was cut off.

    `open`: a block of reasoning never ended, so that the answer has not begun.
    """

    text: str
    reasoning: int = 0  # blocks
    tokens: int = 0  # control tokens and tags around the answer, and turns that follow it
    open: bool = False


def answer_of(raw: str) -> Answer:
    """The answer in what a model said: without its reasoning, and without control tokens around it.

    Reasoning is a block in tags, or all that stands before a closing tag. A tag right behind a backtick is only spoken of.

    >>> answer_of("<think>\\nShe is shy.\\n</think>\\n\\nHey!<|im_end|>")
    Answer(text='Hey!', reasoning=1, tokens=1, open=False)
    """
    text, tokens = _without_heads(raw)
    if channel := _CHANNEL.search(text):
        return _of_channels(text, channel, tokens)
    kept, reasoning, open_ = _without_reasoning(text)
    for begins, ends in _SPELT_OUT:
        if begins.match(kept):
            _, ended, answer = kept.rpartition(ends)
            reasoning, open_, kept = reasoning + 1, open_ or not ended, answer if ended else ""
    return _bare(kept, reasoning, tokens, open_)


def control_markers(text: str) -> tuple[str, ...]:
    """The control tokens of common chat templates that occur in a text, each once, in order.

    >>> control_markers("Rugosa.<|im_end|>\\n<|im_start|>user")
    ('<|im_end|>', '<|im_start|>')
    """
    return tuple(dict.fromkeys(found[0] for found in _MARKER.finditer(text)))


def _of_channels(text: str, first: re.Match[str], tokens: int) -> Answer:
    """gpt-oss: `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`."""
    channels = [found[1].lower() for found in _CHANNEL.finditer(text, first.start())]
    finals = [found.end() for found in _CHANNEL.finditer(text, first.start()) if found[1].lower() == "final"]
    if not finals:
        return Answer("", len(channels), tokens + 1, open=True)
    return _bare(text[finals[-1] :], sum(name != "final" for name in channels), tokens + 1, open_=False)


def _without_reasoning(text: str) -> tuple[str, int, bool]:
    """What stands outside the blocks of reasoning, how many there were, and whether the last one never ended."""
    kept: list[str] = []
    blocks, begin, inside = 0, 0, False
    for tag in _tags(text):
        closes = tag[1] is None
        if not closes and not inside:
            kept.append(text[begin : tag.start()])
            blocks, inside = blocks + 1, True
        elif closes:
            if not inside:  # only the closing tag came: all before it was reasoning
                kept.clear()
                blocks += 1
            begin, inside = tag.end(), False
    return "".join([*kept, "" if inside else text[begin:]]), blocks, inside


def _tags(text: str) -> Iterator[re.Match[str]]:
    return (tag for tag in _TAG.finditer(text) if text[tag.start() - 1 : tag.start()] != "`")


def _without_heads(text: str) -> tuple[str, int]:
    """Without the control tokens that begin an assistant's turn."""
    place, count = _after_blanks(text, 0), 0
    while head := _HEAD.match(text, place):
        place, count = _after_blanks(text, head.end()), count + 1
    return text[place:], count


def _bare(text: str, reasoning: int, tokens: int, open_: bool) -> Answer:
    """Without the tags around the answer, the turns that follow it, and the control tokens at its end."""
    text, more = _without_heads(text)
    tokens += more
    if turn := _TURN.search(text):
        text, tokens = text[: turn.start()], tokens + 1
    end = _before_blanks(text, len(text))
    for token in reversed(list(_END.finditer(text))):
        if token.end() != end:
            break
        end, tokens = _before_blanks(text, token.start()), tokens + 1
    text = text[:end].strip()
    if (wrap := _WRAP.match(text)) and text.lower().endswith(f"</{wrap[1].lower()}>"):
        text, tokens = text[wrap.end() : -len(wrap[1]) - 3].strip(), tokens + 1
    return Answer("" if open_ else text, reasoning, tokens, open_)


def _after_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _before_blanks(text: str, place: int) -> int:
    while place and text[place - 1].isspace():
        place -= 1
    return place


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or char in _INVISIBLE


class _WithoutInvisible(dict[int, int | None]):
    """For str.translate; what a character is is looked up once."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if _is_invisible(chr(code)) else code
        return self[code]


_WITHOUT_INVISIBLE = _WithoutInvisible()


def _longest_run(text: str) -> int:
    """The most combining marks in a row."""
    runs = (sum(1 for _ in run) for marked, run in groupby(map(unicodedata.combining, text), bool) if marked)
    return max(runs, default=0)


_WITHOUT_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if not chr(code).isspace()}

# Reasoning: the opening tag is group 1. <think> (Qwen, DeepSeek, GLM, …), <seed:think>, [THINK] (Mistral), ◁think▷ (Kimi),
# <|START_THINKING|> (Cohere), <|begin_of_thought|>, <|channel>thought (Gemma), and the tags that prompts ask for.
_NAMES = r"(?:seed:|ant)?think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|inner_monologue"
_TAG = re.compile(
    rf"(<(?:{_NAMES})(?:\s[^<>]{{0,80}})?>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>|<\|channel>\s?thought\b)"
    rf"|</(?:{_NAMES})\s?>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>|<channel\|>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>\s?(\w{1,20})[^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>", re.IGNORECASE)
_SPELT_OUT = (
    (re.compile(r"analysis(?=[A-Z])"), "assistantfinal"),  # gpt-oss behind a server that drops its control tokens
    (re.compile(r"Here is my thought process:"), "Here is my response:"),  # Granite 3
)
_WRAP = re.compile(r"<(answer|response|output|final|final_answer)>", re.IGNORECASE)

_BARS = r"\|｜"  # DeepSeek's are full width
_END = re.compile(
    rf"<[{_BARS}](?:im_end|eot_id|eom_id|eot|end|end[_▁]?of[_▁]?(?:text|turn|sentence|role|solution|box)|endoftext|endofprompt|return"
    rf"|call|eos|eos_token|pad|END_OF_TURN_TOKEN|END_RESPONSE|END_TEXT|end_header_id|im_sep|observation|role_end)[{_BARS}]>"
    r"|</s>|<eos>|<pad>|<eod>|<end_of_turn>|<end_of_utterance>|<turn\|>|\[EOS\]|\[e~\[",
    re.IGNORECASE,
)
_ASSISTANT = r"(?:assistant|model|chatbot)"
_HEAD = re.compile(
    rf"<s>|<bos>|<[{_BARS}](?:begin[_▁]of[_▁](?:text|sentence|solution|box)|assistant|START_RESPONSE|START_TEXT|CHATBOT_TOKEN"
    rf"|START_OF_TURN_TOKEN)[{_BARS}]>|<\|(?:im_start|start|start_of_role)\|>{_ASSISTANT}(?:<\|(?:im_sep|end_of_role)\|>)?(?!<\|channel)"
    rf"|<\|start_header_id\|>{_ASSISTANT}<\|end_header_id\|>|<start_of_turn>{_ASSISTANT}|<\|turn>{_ASSISTANT}|\[/INST\]",
    re.IGNORECASE,
)
_TURN = re.compile(  # another turn begins: the model ran on
    rf"(?<!`)(?:<[{_BARS}](?:im_start|start|start_header_id|start_of_role|START_OF_TURN_TOKEN|user|assistant|system|human)[{_BARS}]>"
    r"|<start_of_turn>|<\|turn>|\[INST\])",
    re.IGNORECASE,
)
_MARKER = re.compile(
    rf"<[{_BARS}][\w▁:.\- ]{{1,40}}[{_BARS}]>|<\|(?:turn|channel|tool)>|<(?:turn|channel|tool)\|>|</?s>"
    r"|<(?:bos|eos|pad|unk|eod|mask)>"
    r"|<(?:start_of|end_of)_(?:turn|utterance|image)>|\[/?(?:INST|THINK|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\]"
    r"|<</?SYS>>|\[gMASK\]|<sop>|\[EOS\]|\[e~\[|</?think>|◁/?think▷",
    re.IGNORECASE,
)
