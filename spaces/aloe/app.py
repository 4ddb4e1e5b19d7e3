"""The page of the metric Space: scores in, the AL(k) curve with its interval and the numbers out.

    python spaces/aloe/app.py

Everything of this folder is uploaded as it is. On the Hub a copy of `aloe_hub/scoring.py` lies beside it.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from reading import LIMIT, TOO_LONG, Unreadable, read
from showing import as_json, page

try:
    from aloe_hub.scoring import score
except ModuleNotFoundError:
    from scoring import score

HERE = Path(__file__).resolve().parent
MAX_SCORE = 1e9
MAX_TURNS = 200
MAX_RESAMPLES = 10_000
MAX_SEED = 2**31 - 1
MAX_WORK = 50_000_000  # resamples times conversations: some seconds

SIX_CONVERSATIONS = """\
profile_id, t1, t2, t3, t4, t5, t6, t7, t8
cook,        2,  3,  3,  4,  4,  4,  5,  5
cook,        3,  3,   ,  4,  4,  5,  4,  5
nurse,       1,  2,  3,  3,  4,  3,  4,  4
nurse,       2,  2,  4,  3,  4,  4,  5,  4
carpenter,   3,  2,  3,  4,  3,  4,  4,
carpenter,   2,  3,  3,  3,  4,  5,  4,  5
"""
RLPA = "62.16 68.92 70.27 74.32 72.97 74.32 75.68 78.38 77.03 79.73"
EXAMPLES = {"six conversations": (SIX_CONVERSATIONS, 1, 5), "curve of RLPA": (RLPA, 0, 100)}
FILE_TYPES = [".csv", ".tsv", ".txt", ".json", ".jsonl"]

LEAD = """\
# ALOE

How well does a chat model come to fit its user *within* a conversation? A judge who knows the user scores every reply;
this page turns those scores into a curve over the turns, its slope, and their intervals.
"""
NOTHING_YET = '<p class="nothing">The curve and its numbers appear here.</p>'
MEANING = """\
## What the numbers mean

**AL(k)**, the alignment level, is the mean score of turn k over all conversations. A missing score is left out and
counted, never a number.

**AVG** is the mean of AL(k), in the units of the scale: how well the model fits its users.

**IR**, the improvement rate, is the slope of the least-squares line through AL(k), in points of the scale a turn: whether
it fits them better as they talk.

**N-IR** is that slope after the curve is scaled to [0, 1], and **R²** the share of the curve's variance that the line
explains. They compare the shapes of curves, not their heights. A constant curve has neither; they are shown as –.

**Intervals** are percentile bootstrap intervals. Conversations with the same `profile_id` are not independent and are
resampled together; without ids each conversation stands for itself.

Scores from simulated users, or from a scripted judge or a language model as the judge, say how those behave. Call them
that wherever you show the numbers: they are no measurement of people.

## Where they come from

Wu et al., [Aligning LLMs with Individual Preferences via Interaction](https://arxiv.org/abs/2410.03642) (COLING 2025),
defines alignment level and improvement rate; Zhao et al., [RLPA](https://arxiv.org/abs/2505.15456), reports N-IR and R².
"""


def evaluated(text: str, low: float, high: float, confidence: float, resamples: float, seed: float) -> tuple[str, str]:
    """What a person entered → (the result as HTML, the result as JSON). An empty field is None.

    Raises:
        ValueError: one line that says what is wrong.
    """
    fields = {
        "lowest score": low,
        "highest score": high,
        "confidence": confidence,
        "number of resamples": resamples,
        "seed": seed,
    }
    for name, value in fields.items():
        if value is None:
            raise Unreadable(f"the {name} is empty")
    if not low < high:
        raise Unreadable(f"the lowest score {low:g} is not below the highest score {high:g}")
    if max(abs(low), abs(high)) > MAX_SCORE:
        raise Unreadable(f"the scale {low:g} to {high:g} is too wide for this page")
    if not 0 < confidence < 1:
        raise Unreadable(f"the confidence {confidence:g} is not between 0 and 1")
    if not _whole(resamples, MAX_RESAMPLES):
        raise Unreadable(f"the number of resamples {resamples:g} is not a whole number from 0 to {MAX_RESAMPLES:,}")
    if not _whole(seed, MAX_SEED):
        raise Unreadable(f"the seed {seed:g} is not a whole number from 0 to {MAX_SEED:,}")
    scores = read(text or "", (low, high))
    conversations, turns = len(scores.conversations), len(scores.conversations[0])
    if turns > MAX_TURNS:
        raise Unreadable(f"{turns:,} turns are too many for this page, which takes {MAX_TURNS}; use evaluate.load")
    if resamples * conversations > MAX_WORK:
        most = MAX_WORK // conversations
        raise Unreadable(f"with {conversations:,} conversations this page takes {most:,} resamples at most; use evaluate.load")
    result = score(
        scores.conversations,
        cluster_ids=scores.cluster_ids,
        scale=(low, high),
        confidence=confidence,
        n_resamples=int(resamples),
        seed=int(seed),
    ).to_dict()
    clusters = None if scores.cluster_ids is None else len(set(scores.cluster_ids))
    return page(result, (low, high), confidence, conversations, clusters), as_json(result)


def _whole(value: float, most: int) -> bool:
    return 0 <= value <= most and value == int(value)


def loaded(path: str) -> str:
    """The text of a file.

    Raises:
        ValueError: it is not text, or too long.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{Path(path).name} is not a UTF-8 text file (byte {error.start + 1}); save it as UTF-8") from None
    if len(text) > LIMIT:
        raise Unreadable(TOO_LONG.format(len(text)))
    return text


def problem(message: object) -> str:
    return f'<p class="problem" role="alert">{escape(str(message))}</p>'


def pressed(*entered: Any) -> tuple[str, str, dict[str, Any]]:  # noqa: ANN401
    """What pressing the button shows: the problem, the result, its JSON. An old result does not outlive an error."""
    try:
        result, copy = evaluated(*entered)
    except ValueError as error:
        return problem(error), NOTHING_YET, gr.update(visible=False)
    return "", result, gr.update(value=copy, visible=True)


def filled(path: str) -> tuple[Any, str]:
    """The box with the text of a file; where that cannot be read, the box as it was and the problem."""
    try:
        return loaded(path), ""
    except ValueError as error:
        return gr.update(), problem(error)


def build() -> gr.Blocks:
    with gr.Blocks(title="ALOE: alignment within a conversation", analytics_enabled=False) as blocks:
        gr.Markdown(LEAD, elem_classes="lead")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                gr.Markdown("## Scores")
                text = gr.Textbox(
                    SIX_CONVERSATIONS,
                    label="Scores, one conversation a line",
                    info="Separated by commas, spaces or tabs; nothing, none or nan is a missing score. A first line may name "
                    "the columns. JSON and JSON Lines are read too, and files of all these.",
                    lines=9,
                    max_lines=16,
                    elem_classes="scores",
                )
                with gr.Row(elem_classes="sources"):
                    upload = gr.UploadButton("Load a file", file_types=FILE_TYPES, size="sm", min_width=90)
                    examples = [
                        (gr.Button(f"Example: {name}", size="sm", min_width=90), values) for name, values in EXAMPLES.items()
                    ]
                with gr.Row():
                    low = gr.Number(1, label="Lowest score", info="of the scale", min_width=90)
                    high = gr.Number(5, label="Highest score", info="of the scale", min_width=90)
                with gr.Row():
                    confidence = gr.Number(0.95, label="Confidence", info="of the intervals", step=0.01, min_width=90)
                    resamples = gr.Number(1000, label="Resamples", info="0 for no intervals", min_width=90)
                    seed = gr.Number(0, label="Seed", info="of the resamples", min_width=90)
                button = gr.Button("Compute the curve", variant="primary")
                error = gr.HTML(elem_id="error")
            with gr.Column(min_width=320):
                gr.Markdown("## Result")
                result = gr.HTML(NOTHING_YET, elem_id="result")
                copy = gr.Code(
                    label="The result as JSON; what is undefined is null",
                    language="json",
                    visible=False,
                    max_lines=16,
                    wrap_lines=True,
                    show_line_numbers=False,
                )
        gr.Markdown(MEANING, elem_classes="meaning")
        button.click(pressed, [text, low, high, confidence, resamples, seed], [error, result, copy], api_visibility="private")
        upload.upload(filled, upload, [text, error], api_visibility="private")
        for chosen, values in examples:
            chosen.click(lambda values=values: (*values, ""), None, [text, low, high, error], api_visibility="private")
    return blocks


# Colours as in a report of `aloe report`; no font is fetched from anywhere.
THEME = gr.themes.Base(
    primary_hue="emerald",
    neutral_hue="stone",
    radius_size="sm",
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif"],
    font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Liberation Mono", "monospace"],
).set(
    **{
        f"{name}{mode}": colour
        for name, *colours in (
            ("body_background_fill", "#fcfbf7", "#141816"),
            ("body_text_color", "#1e2421", "#e6e9e3"),
            ("body_text_color_subdued", "#5d6762", "#9ca8a1"),
            ("block_background_fill", "#ffffff", "#1b201d"),
            ("block_border_color", "#dcdcd2", "#363e39"),
            ("block_info_text_color", "#5d6762", "#9ca8a1"),
            ("block_title_text_color", "#1e2421", "#e6e9e3"),
            ("block_label_text_color", "#1e2421", "#e6e9e3"),
            ("block_label_background_fill", "#ffffff", "#1b201d"),
            ("input_background_fill", "#f1f1ea", "#222824"),
            ("border_color_primary", "#dcdcd2", "#363e39"),
            ("link_text_color", "#22664a", "#7ccba2"),
            ("link_text_color_hover", "#1b6e4f", "#6fd0a4"),
            ("link_text_color_visited", "#22664a", "#7ccba2"),
            ("button_primary_background_fill", "#22664a", "#7ccba2"),
            ("button_primary_background_fill_hover", "#1a5039", "#9adab8"),
            ("button_primary_text_color", "#ffffff", "#141816"),
            ("button_secondary_background_fill", "#f1f1ea", "#222824"),
            ("button_secondary_background_fill_hover", "#dcdcd2", "#363e39"),
            ("button_secondary_text_color", "#1e2421", "#e6e9e3"),
        )
        for mode, colour in zip(("", "_dark"), colours, strict=True)
    }
)

if __name__ == "__main__":
    build().launch(theme=THEME, css_paths=HERE / "style.css", footer_links=["gradio"], ssr_mode=False, max_file_size="20mb")
