"""The page of the metric Space: scores in, the AL(k) curve with its interval and the numbers out.

    python spaces/aloe/app.py

On the Hub copies of `scoring/levels.py` (as `scoring.py`) and of its neighbours `clusters.py` and `matrix.py`, of
`report/drawing.py` and `spaces/theme.py` lie beside it.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # where theme.py lies in a checkout

import gradio as gr
from columns import Unreadable
from reading import LIMIT, TOO_LONG, read
from showing import page
from theme import CSS, THEME

try:
    from aloe_hub.scoring import score
except ModuleNotFoundError:
    from scoring import score  # type: ignore[import-not-found, no-redef]  # a copy, on the Hub alone

HERE = Path(__file__).resolve().parent
MAX_WIDTH = 1e9
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
HOW = (
    "A conversation a line, or a score a line with columns conversation, turn and score; commas, semicolons, tabs or spaces "
    "between them. A first line may name the columns. Nothing, none or nan is a missing score. JSON is read, too, and files are."
)
NOTHING_YET = '<p class="nothing">The curve and its numbers appear here.</p>'
FORM = '<p class="understood" role="status"><b>{}</b> {} <b>{}</b></p>'
SHOWN = 10  # scores of a conversation
# In the browser, at once: no result stands beside an input that is not its own, and none comes that was computed of another one.
CLEARED = f"() => ['', `{NOTHING_YET}`]"
FRESH = f"(found, ...now) => JSON.stringify(found.entered) === JSON.stringify(now) ? found.shown : ['', `{NOTHING_YET}`]"


def evaluated(text: str, low: float, high: float, confidence: float, resamples: float, seed: float) -> str:
    """What a person entered → the result as HTML. An empty field is None.

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
    whole = "is not a whole number from 0 to"
    checks = (
        (low < high, f"the lowest score {low:g} is not below the highest score {high:g}"),
        (high - low <= MAX_WIDTH, f"the scale {low:g} to {high:g} is too wide for this page"),
        (0 < confidence < 1, f"the confidence {confidence:g} is not between 0 and 1"),
        (_whole(resamples, MAX_RESAMPLES), f"the number of resamples {resamples:g} {whole} {MAX_RESAMPLES:,}"),
        (_whole(seed, MAX_SEED), f"the seed {seed:g} {whole} {MAX_SEED:,}"),
    )
    for valid, message in checks:
        if not valid:
            raise Unreadable(message)
    scores = read(text or "", (low, high))
    conversations = len(scores.conversations)
    if resamples * conversations > MAX_WORK:
        most = MAX_WORK // conversations
        raise Unreadable(f"with {conversations:,} conversations this page takes {most:,} resamples at most; use evaluate.load")
    result = score(
        scores.conversations,
        cluster_ids=scores.cluster_ids,
        personality_ids=scores.personality_ids,
        scale=(low, high),
        confidence=confidence,
        n_resamples=int(resamples),
        seed=int(seed),
    ).to_dict()
    ids = {"cluster": scores.cluster_ids, "personality": scores.personality_ids}
    clusters = {kind: len(set(found)) for kind, found in ids.items() if found is not None}
    return page(result, (low, high), confidence, conversations, clusters)


def _whole(value: float, most: int) -> bool:
    return 0 <= value <= most and value == int(value)


def problem(message: object) -> str:
    return f'<p class="problem" role="alert">{escape(str(message))}</p>'


def pressed(*entered: Any) -> tuple[str, str]:  # noqa: ANN401
    """What pressing the button shows: the problem, the result. An old result does not outlive an error."""
    try:
        return "", evaluated(*entered)
    except ValueError as error:
        return problem(error), NOTHING_YET


def understood(text: str, low: float | None, high: float | None) -> str:
    """As what the text is understood, before anything is computed; or why it is not."""
    if not (text or "").strip() or low is None or high is None or not low < high:
        return ""
    try:
        scores = read(text, (low, high))
    except ValueError as error:
        return FORM.format("Not understood:", escape(str(error)), "")
    first, *_ = scores.conversations
    said = ", ".join("–" if score is None else f"{score:g}" for score in first[:SHOWN]) + (", …" if len(first) > SHOWN else "")
    size = f"{len(scores.conversations):,} x {len(first)} scores, those of the first conversation {said}."
    return FORM.format("Understood as", f"{escape(scores.form)}. {size}", escape(scores.doubt))


def filled(path: str) -> tuple[Any, str]:
    """The box with the text of a file; where that cannot be read, the box as it was and the problem."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{Path(path).name} is not a UTF-8 text file (byte {error.start + 1}); save it as UTF-8"
        return gr.update(), problem(message)
    return (text, "") if len(text) <= LIMIT else (gr.update(), problem(TOO_LONG.format(len(text))))


def build() -> gr.Blocks:
    blocks = gr.Blocks(title="ALOE: alignment within a conversation", analytics_enabled=False)
    with blocks:
        gr.Markdown(LEAD, elem_classes="lead")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                gr.Markdown("## Scores")
                label = "Scores, one conversation a line"
                text = gr.Textbox(SIX_CONVERSATIONS, label=label, info=HOW, lines=9, max_lines=16, elem_classes="scores")
                with gr.Row(elem_classes="sources"):
                    upload = gr.UploadButton("Load a file", file_types=FILE_TYPES, size="sm", min_width=90)
                    examples = [(gr.Button(f"Example: {name}", size="sm", min_width=90), name) for name in EXAMPLES]
                form = gr.HTML(understood(SIX_CONVERSATIONS, 1, 5), elem_id="form")
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
        gr.Markdown((HERE / "about.md").read_text(encoding="utf-8"), elem_classes="meaning")
        entered: list[Any] = [text, low, high, confidence, resamples, seed]
        shown: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "always_last"}
        gr.on([one.change for one in entered[:3]], understood, entered[:3], form, **shown)
        found = gr.JSON(visible=False)
        computed: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "always_last"}  # of another input is one more
        answer = button.click(lambda *now: {"entered": now, "shown": pressed(*now)}, entered, found, **computed)
        answer.then(None, [found, *entered], [error, result], js=FRESH, api_visibility="private")
        gr.on([one.change for one in entered], None, None, [error, result], js=CLEARED, api_visibility="private")
        upload.upload(filled, upload, [text, error], api_visibility="private")
        for chosen, name in examples:
            chosen.click(lambda name=name: (*EXAMPLES[name], ""), None, [text, low, high, error], api_visibility="private")
    return blocks


if __name__ == "__main__":
    style = HERE / "style.css"
    build().launch(theme=THEME, css=CSS, css_paths=style, footer_links=["gradio"], ssr_mode=False, max_file_size="8mb")
