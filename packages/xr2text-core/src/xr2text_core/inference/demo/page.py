"""The page of the demo, made with Gradio: films in; report, findings and attention out; findings can be corrected."""

import time
from collections.abc import Collection
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from xr2text_core.data.images.formats import ImageError
from xr2text_core.inference.demo.answer import Answer, answer, corrections_of
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import NOT_A_DEVICE

DRAWN = "phantom:0/0"
FORMATS = "PNG, JPEG or DICOM"
CORRECTABLE = "The report says the ticked ones. Change a tick, and the report is rewritten."
NOT_CORRECTABLE = "This model decides no findings before it writes, so they cannot be corrected."
# No web fonts: a page that asks for them tells somebody that it was opened. Hints as dark as other text.
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
    block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300"
)
# The gallery without a scroll bar of its own; two pictures side by side on a phone.
CSS = """
#attention .grid-wrap { max-height: none !important; overflow: visible !important; padding-top: 2em }
@media (max-width: 640px) { #attention .grid-container { grid-template-columns: 1fr 1fr !important } }
"""
MOST_BYTES = 200 * 2**20  # of an upload


def demo_page(trained: TrainedModel, name: str) -> gr.Blocks:
    """The page for a trained model, which has read a film already: the first takes seconds. `name` is shown."""
    answer(trained, [DRAWN])
    with gr.Blocks(title="XR2Text", analytics_enabled=False) as page:
        gr.Markdown(f"# XR2Text\n**{NOT_A_DEVICE}**\n\nModel: `{name}`. Films and reports stay on this computer.")
        with gr.Row():
            with gr.Column(min_width=300):
                frontal = gr.File(label=f"Frontal film: {FORMATS}", height=130)
                has_lateral = trained.model.config.num_films > 1
                lateral = gr.File(label=f"Lateral film, if any: {FORMATS}", height=130, visible=has_lateral)
                film = gr.Image(label="Film", interactive=False, buttons=["fullscreen"])
            with gr.Column(min_width=300):
                message = gr.HTML()
                report = gr.Textbox(label="Report", lines=5, interactive=False, buttons=["copy"])
                findings = gr.CheckboxGroup(label="Findings, likeliest first", interactive=False)
        attention = gr.Gallery(
            label="Attention of each region", columns=4, height="auto", buttons=["fullscreen"], elem_id="attention"
        )
        decided = gr.State(frozenset())
        shown = [message, report, film, findings, attention, decided]
        films = [frontal, lateral]
        gr.on(
            [each.change for each in films], partial(_read, trained), films, shown,
            api_name="read", concurrency_id="model", concurrency_limit=1,
        )  # fmt: skip
        seen = [*films, decided, findings]
        findings.input(
            partial(_correct, trained), seen, [message, report],
            api_name="correct", concurrency_id="model", concurrency_limit=1,
        )  # fmt: skip
    return page


def open_page(page: gr.Blocks, folder: str, port: int | None = None, in_browser: bool = False) -> str:
    """Serve a page on this computer only, and return its address; uploads are kept in `folder`, and nothing else is
    served. OSError where the port is taken."""
    _, address, _ = page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        inbrowser=in_browser,
        allowed_paths=[folder],  # not those of GRADIO_ALLOWED_PATHS
        max_file_size=MOST_BYTES,
        theme=THEME,
        css=CSS,
        footer_links=[],
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        mcp_server=False,
        run_history=False,
        enable_monitoring=False,
    )
    return str(address)


def _read(trained: TrainedModel, frontal: str | None, lateral: str | None) -> tuple[Any, ...]:
    """Message, report, film, findings, attention and what was decided; without a readable film only a message."""
    start = time.monotonic()
    try:
        if frontal is None:
            raise ImageError("Add the frontal film too." if lateral else "")
        found = answer(trained, [film for film in (frontal, lateral) if film])
    except ImageError as error:
        return _told(str(error)), "", None, gr.CheckboxGroup([], value=[], info=""), [], frozenset()
    names = " and ".join(Path(film).name for film in (frontal, lateral) if film)
    told = _told(f"{names}: read in {time.monotonic() - start:.1f} s")
    return told, found.report, found.film, _ticks(trained, found), found.attention, found.decided


def _ticks(trained: TrainedModel, found: Answer) -> gr.CheckboxGroup:
    can_correct = trained.model.encoder.study is not None
    choices = [(f"{finding} {probability:.0%}", finding) for finding, probability in found.probabilities.items()]
    info = CORRECTABLE if can_correct else NOT_CORRECTABLE
    return gr.CheckboxGroup(choices, value=sorted(found.decided), info=info, interactive=can_correct)


def _correct(
    trained: TrainedModel, frontal: str, lateral: str | None, decided: Collection[str], ticked: Collection[str]
) -> tuple[str, str]:
    """Message and report, after somebody changed a tick."""
    corrections = corrections_of(decided, ticked)
    try:
        found = answer(trained, [film for film in (frontal, lateral) if film], corrections)
    except ImageError as error:
        return _told(str(error)), ""
    changes = ", ".join(f"{finding} {'present' if is_there else 'absent'}" for finding, is_there in corrections.items())
    told = f"Corrected by hand: {changes}." if changes else "As the model read it."
    if unsaid := [finding for finding in ticked if finding not in label_report(found.report).present]:
        told += f" The training reports have no words for {', '.join(unsaid)}."
    return _told(told), found.report


def _told(message: str) -> str:
    return f'<p role="status">{escape(message)}</p>'
