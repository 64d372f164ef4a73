"""The two themes. All text has a contrast of 4.5 : 1 or more (WCAG AA) on its background; a test measures every screen.

Amber is a warning, red is critical, and no other thing has these colours.
"""

from textual.theme import Theme


def _theme(name: str, is_dark: bool, ink: dict[str, str], back: dict[str, str]) -> Theme:
    """`ink`: colours of text; `back`: of what lies behind it."""
    return Theme(
        name,
        dark=is_dark,
        primary=ink["primary"],
        secondary=ink["primary"],
        accent=ink["accent"],
        warning=ink["warning"],
        error=ink["error"],
        success=ink["success"],
        foreground=ink["text"],
        background=back["background"],
        surface=back["surface"],
        panel=back["panel"],
        boost=back["surface"],
        variables={
            # Textual fades and tints these itself; here every colour is the one that was measured.
            **{f"text-{role}": ink[role] for role in ("primary", "accent", "warning", "error", "success", "muted")},
            "text": ink["text"],
            "text-secondary": ink["primary"],
            "text-disabled": ink["muted"],
            "foreground-muted": ink["muted"],
            "foreground-disabled": ink["muted"],
            "border": ink["primary"],
            "border-blurred": ink["muted"],
            "block-cursor-foreground": back["background"],
            "block-cursor-background": ink["primary"],
            "block-cursor-blurred-foreground": ink["text"],
            "block-cursor-blurred-background": back["panel"],
            "block-hover-background": back["panel"],
            "footer-key-foreground": ink["primary"],
            "footer-background": back["panel"],
            "input-selection-background": back["panel"],
            "scrollbar": ink["muted"],
            "scrollbar-background": back["surface"],
        },
    )


DARK = _theme(
    "dark",
    True,
    {
        "text": "#e4e8ec",
        "muted": "#a2acb7",
        "primary": "#74b9ff",
        "accent": "#d3b0ff",
        "success": "#74d18f",
        "warning": "#ffb74a",
        "error": "#ff8078",
    },
    {"background": "#0f1317", "surface": "#171c22", "panel": "#222a33"},
)
LIGHT = _theme(
    "light",
    False,
    {
        "text": "#1a1e23",
        "muted": "#505a65",
        "primary": "#0a4f9e",
        "accent": "#6a35b0",
        "success": "#0d5f2b",
        "warning": "#7a4a00",
        "error": "#a8120c",
    },
    {"background": "#fbfbf8", "surface": "#f1f2ee", "panel": "#e4e7e4"},
)
