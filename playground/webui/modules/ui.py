"""The page: the tabs txt2img, img2img and PNG Info."""

from __future__ import annotations

import html
from collections.abc import Callable
from contextlib import closing
from typing import Any

import gradio as gr

from modules import images, infotext_utils, script_callbacks, scripts, sd_samplers, shared
from modules._gradio_compat import gallery_format
from modules.call_queue import wrap_gradio_gpu_call
from modules.infotext_utils import ParamBinding, PasteField, register_paste_params_button
from modules.processing import (
    SIZE_STEP,
    StableDiffusionProcessingImg2Img,
    StableDiffusionProcessingTxt2Img,
    process_images,
)
from modules.ui_components import InputAccordion
from playground.model import load_words

_PROMPT = "red apple"
_EXAMPLE_WORDS = 24
_LABELS = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "steps": "Steps",
    "sampler_name": "Sampler",
    "cfg_scale": "CFG scale",
    "width": "Size-1",
    "height": "Size-2",
    "seed": "Seed",
    "denoising_strength": "Denoising strength",
    "hr_scale": "Hires upscale",
    "hr_second_pass_steps": "Hires steps",
    "hr_upscaler": "Hires upscaler",
}
"""Infotext keys by field of a job."""


def plaintext_to_html(text: str, classname: str | None = None) -> str:
    """Return text as an HTML paragraph with its line breaks."""
    lines = "<br>\n".join(html.escape(text).split("\n"))
    return f"<p class='{classname}'>{lines}</p>" if classname else f"<p>{lines}</p>"


class _Tab:
    """The controls of a tab. `fields` are the controls of a job's fields, by field name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runner = scripts.scripts_img2img if name == "img2img" else scripts.scripts_txt2img
        self.runner.infotext_fields, self.runner.paste_field_names = [], []
        self.runner.initialize_scripts(name == "img2img")
        self.runner.prepare_ui()
        self.fields: dict[str, Any] = {}
        self.script_inputs: list[Any] = []

    def add(self, field: str | None, kind: Callable[..., Any], item_id: str, *args: Any, **kwargs: Any) -> Any:
        """Create a control whose id begins with the tab's name, and call the scripts' `after_component`."""
        kwargs["elem_id"] = f"{self.name}_{item_id}"
        component = kind(*args, **kwargs)
        self.runner.after_component(component, **kwargs)
        if field:
            self.fields[field] = component
        return component

    def add_scripts(self) -> None:
        """Create the scripts' controls."""
        with gr.Column(elem_id=f"{self.name}_script_container"):
            self.script_inputs = self.runner.setup_ui()

    def paste_fields(self) -> list[PasteField]:
        """Return the controls that an infotext fills."""
        own = [PasteField(field, _LABELS[name], api=name) for name, field in self.fields.items() if name in _LABELS]
        if "enable_hr" in self.fields:
            own.append(PasteField(self.fields["enable_hr"], lambda params: "Hires upscale" in params, api="enable_hr"))
        return [*own, *self.runner.infotext_fields]


def create_ui() -> gr.Blocks:
    """Build the page, with new script objects and controls."""
    script_callbacks.ui_settings_callback()
    infotext_utils.reset()
    with gr.Blocks(title="FreeU playground", theme=gr.themes.Base(), analytics_enabled=False) as demo:
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("txt2img", elem_id="tab_txt2img"):
                _txt2img_tab(_Tab("txt2img"))
            with gr.Tab("img2img", elem_id="tab_img2img"):
                _img2img_tab(_Tab("img2img"))
            with gr.Tab("PNG Info", elem_id="tab_pnginfo"):
                _pnginfo_tab()
        infotext_utils.connect_paste_params_buttons()
    return demo


def _txt2img_tab(tab: _Tab) -> None:
    generate = _prompts(tab)
    with gr.Row():
        with gr.Column(scale=3):
            _sampling(tab)
            _numbers(tab)
            _hires(tab)
            tab.add_scripts()
        outputs = _output_panel(tab, other="img2img")
    infotext_utils.add_paste_fields(tab.name, None, tab.paste_fields())
    _connect(tab, StableDiffusionProcessingTxt2Img, generate, outputs)


def _img2img_tab(tab: _Tab) -> None:
    """Create the controls. The scripts' come before the step slider here, because WebUIs differ in this order."""
    generate = _prompts(tab)
    with gr.Row():
        with gr.Column(scale=3):
            with gr.Row():
                image = tab.add("init_images", gr.Image, "image", label="Image", type="pil")
                tab.add("mask", gr.Image, "mask", label="Mask: white changes", type="pil")
            tab.add_scripts()
            _denoising_strength(tab)
            _sampling(tab)
            _numbers(tab)
        outputs = _output_panel(tab, other="txt2img")
    infotext_utils.add_paste_fields(tab.name, image, tab.paste_fields())
    _connect(tab, StableDiffusionProcessingImg2Img, generate, outputs)


def _pnginfo_tab() -> None:
    with gr.Row():
        image = gr.Image(label="Source", type="pil", elem_id="pnginfo_image")
        with gr.Column():
            shown = gr.HTML()
            text = gr.Textbox(visible=False, elem_id="pnginfo_generation_info")
            for tabname in ("txt2img", "img2img"):
                button = gr.Button(f"Send to {tabname}", elem_id=f"{tabname}_tab")
                source = image if tabname == "img2img" else None
                register_paste_params_button(
                    ParamBinding(button, tabname, source_text_component=text, source_image_component=source)
                )
    image.change(_read_image, [image], [shown, text])


def _read_image(image: Any) -> tuple[str, str]:
    info = images.read_info_from_image(image)[0] if image is not None else None
    return plaintext_to_html(info or "No infotext"), info or ""


def _prompts(tab: _Tab) -> Any:
    """Create prompts and buttons. Returns the button that starts a job."""
    with gr.Row():
        with gr.Column(scale=6):
            prompt = tab.add("prompt", gr.Textbox, "prompt", value=_PROMPT, label="Prompt")
            tab.add("negative_prompt", gr.Textbox, "neg_prompt", value="", label="Negative prompt")
            gr.HTML(_vocabulary())
        with gr.Column(scale=1, min_width=120):
            generate = tab.add(None, gr.Button, "generate", value="Generate", variant="primary")
            paste = tab.add(None, gr.Button, "paste", value="\u2199\ufe0f")
            paste.webui_tooltip = "Read the infotext in the prompt box, or that of the last job if the box is empty."
    register_paste_params_button(ParamBinding(paste, tab.name, source_text_component=prompt))
    return generate


def _vocabulary() -> str:
    words = load_words()
    examples = ", ".join(words[:: max(1, len(words) // _EXAMPLE_WORDS)][:_EXAMPLE_WORDS])
    command = "<code>python -m playground words</code>"
    return f"<small>The model knows {len(words)} words, such as {examples}. {command} lists all.</small>"


def _sampling(tab: _Tab) -> None:
    with gr.Row():
        names = sd_samplers.visible_sampler_names()
        tab.add("sampler_name", gr.Dropdown, "sampling", choices=names, value=names[0], label="Sampling method")
        tab.add("steps", gr.Slider, "steps", label="Sampling steps", minimum=1, maximum=150, step=1, value=20)


def _numbers(tab: _Tab) -> None:
    with gr.Row():
        for side in ("width", "height"):
            size = {"minimum": SIZE_STEP, "maximum": 1024, "step": SIZE_STEP, "value": 256}
            tab.add(side, gr.Slider, side, label=side.capitalize(), **size)
    with gr.Row():
        count = {"minimum": 1, "maximum": 16, "step": 1, "value": 1}
        tab.add("n_iter", gr.Slider, "batch_count", label="Batch count", **count)
        tab.add("batch_size", gr.Slider, "batch_size", label="Batch size", **count)
    with gr.Row():
        guidance = {"minimum": 1, "maximum": 30, "step": 0.5, "value": 3.0}
        tab.add("cfg_scale", gr.Slider, "cfg_scale", label="CFG Scale", **guidance)
        tab.add("seed", gr.Number, "seed", label="Seed", value=-1, precision=0)


def _hires(tab: _Tab) -> None:
    with tab.add("enable_hr", InputAccordion, "hr", False, label="Hires. fix"), gr.Row():
        modes = [*shared.latent_upscale_modes, *(upscaler.name for upscaler in shared.sd_upscalers)]
        tab.add("hr_upscaler", gr.Dropdown, "hr_upscaler", choices=modes, value=modes[0], label="Upscaler")
        steps = {"label": "Hires steps", "minimum": 0, "maximum": 150, "step": 1, "value": 0}
        tab.add("hr_second_pass_steps", gr.Slider, "hires_steps", **steps)
        _denoising_strength(tab)
        scale = {"label": "Upscale by", "minimum": 1, "maximum": 4, "step": 0.125, "value": 2}
        tab.add("hr_scale", gr.Slider, "hr_scale", **scale)


def _denoising_strength(tab: _Tab) -> None:
    strength = {"label": "Denoising strength", "minimum": 0, "maximum": 1, "step": 0.01, "value": 0.75}
    tab.add("denoising_strength", gr.Slider, "denoising_strength", **strength)


def _output_panel(tab: _Tab, other: str) -> list[Any]:
    """Create the controls that show a job's result. Returns them in the order of `_run_job`'s results."""
    with gr.Column(scale=3, elem_id=f"{tab.name}_results"):
        shape = {"columns": 4, "height": 420, "show_label": False, "preview": True, **gallery_format()}
        gallery = gr.Gallery(label="Output", elem_id=f"{tab.name}_gallery", **shape)
        button = gr.Button(f"Send to {other}", elem_id=f"{tab.name}_send_to_{other}")
        info = gr.HTML(elem_id=f"html_info_{tab.name}", elem_classes="infotext")
        log = gr.HTML(elem_id=f"html_log_{tab.name}", elem_classes="html-log")
        generation_info = gr.Textbox(visible=False, elem_id=f"generation_info_{tab.name}")
        results, selected = gr.State([]), gr.State(None)
    gallery.select(_select, [results], [selected, info], queue=False)
    register_paste_params_button(
        ParamBinding(
            button,
            other,
            source_tabname=tab.name,
            source_image_component=selected if other == "img2img" else None,
            paste_field_names=tab.runner.paste_field_names,
        )
    )
    return [gallery, generation_info, results, selected, info, log]


def _select(results: list[Any], event: gr.SelectData) -> tuple[Any, str]:
    image, infotext = results[event.index]
    return image, plaintext_to_html(infotext)


def _connect(tab: _Tab, make: type[Any], generate: Any, outputs: list[Any]) -> None:
    def job(*values: Any) -> list[Any]:
        return _run_job(tab.runner, make, list(tab.fields), *values)

    inputs = [*tab.fields.values(), *tab.script_inputs]
    call = wrap_gradio_gpu_call(job, extra_outputs=[None, "", [], None, ""])
    generate.click(call, inputs, outputs, api_name=tab.name)


def _run_job(runner: scripts.ScriptRunner, make: type[Any], names: list[str], *values: Any) -> list[Any]:
    """Run a job with the values of the tab's fields and of the scripts' controls.

    Returns images, `Processed` as JSON, pairs of image and infotext, the first image, its infotext, and messages.
    """
    fields = dict(zip(names, values, strict=False))
    if "init_images" in fields:
        if fields["init_images"] is None:
            raise ValueError("init_images must be an image, got none")
        fields["init_images"] = [fields["init_images"]]
    with closing(make(**fields)) as p:
        p.scripts = runner
        p.script_args = values[len(names) :]
        p.setup_scripts()
        processed = runner.run(p, *p.script_args) or process_images(p)
    results = list(zip(processed.images, processed.infotexts, strict=False))
    first = results[0][0] if results else None
    messages = plaintext_to_html(processed.comments, "comments")
    return [processed.images, processed.js(), results, first, plaintext_to_html(processed.info), messages]
