"""The look of the Spaces: the colours of a report of `aloe report`; no font is fetched from anywhere.

Publishing puts a copy beside each Space's app.
"""

from __future__ import annotations

import gradio as gr

# Each colour, light and dark; in a style sheet it is the variable of this name, such as var(--ink).
PALETTE = {
    "ink": ("#1e2421", "#e6e9e3"),
    "muted": ("#5d6762", "#9ca8a1"),
    "line": ("#dcdcd2", "#363e39"),
    "paper": ("#fcfbf7", "#141816"),
    "card": ("#ffffff", "#1b201d"),
    "soft": ("#f1f1ea", "#222824"),
    "accent": ("#22664a", "#7ccba2"),
    "hover": ("#1a5039", "#9adab8"),  # of the accent
    "on-accent": ("#ffffff", "#141816"),
    "warm": ("#fdf3dc", "#2e2717"),
    "warm-line": ("#d9a93d", "#b98f34"),
    "new": ("#e3f1e8", "#20332a"),
    "s0": ("#b5521b", "#f0955c"),
    "s1": ("#1b6e4f", "#6fd0a4"),
}
# Gradio's own names for what has one of these colours.
_COLOURED = {
    "ink": "body_text_color block_title_text_color block_label_text_color button_secondary_text_color",
    "muted": "body_text_color_subdued block_info_text_color checkbox_border_color",
    "line": "block_border_color border_color_primary button_secondary_background_fill_hover",
    "paper": "body_background_fill",
    "card": "block_background_fill block_label_background_fill",
    "soft": "input_background_fill button_secondary_background_fill",
    "accent": "slider_color checkbox_background_color_selected checkbox_border_color_selected link_text_color "
    "link_text_color_visited button_primary_background_fill",
    "hover": "button_primary_background_fill_hover",
    "on-accent": "button_primary_text_color",
    "s1": "link_text_color_hover",
}
_VARIABLES = ("".join(f"--{name}: {colours[mode]}; " for name, colours in PALETTE.items()) for mode in (0, 1))
CSS = ":root {{ {}}}\n.dark {{ {}}}\n".format(*_VARIABLES)  # Gradio marks the dark mode by a class
THEME = gr.themes.Base(
    primary_hue="emerald",
    neutral_hue="stone",
    radius_size="sm",
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif"],
    font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Liberation Mono", "monospace"],
).set(
    **{
        name + suffix: colour
        for own, names in _COLOURED.items()
        for name in names.split()
        for suffix, colour in zip(("", "_dark"), PALETTE[own], strict=True)
    }
)
