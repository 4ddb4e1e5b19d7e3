"""Colours as in a report of `aloe report`, and as on the page of the metric; no font is fetched from anywhere."""

from __future__ import annotations

import gradio as gr

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
            ("slider_color", "#22664a", "#7ccba2"),
            ("checkbox_background_color_selected", "#22664a", "#7ccba2"),
            ("checkbox_border_color_selected", "#22664a", "#7ccba2"),
            ("checkbox_border_color", "#5d6762", "#9ca8a1"),
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
