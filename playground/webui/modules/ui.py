"""The page: txt2img, img2img, and PNG Info."""

from __future__ import annotations

import html
from collections.abc import Callable
from contextlib import closing
from typing import Any

import gradio as gr

from modules import images, infotext_utils, script_callbacks, scripts, sd_models, sd_samplers, shared
from modules._page import gallery_format
from modules.call_queue import queue_lock, wrap_gradio_gpu_call
from modules.infotext_utils import ParamBinding, PasteField, register_paste_params_button
from modules.processing import (
    SIZE_UNIT,
    StableDiffusionProcessingImg2Img,
    StableDiffusionProcessingTxt2Img,
    process_images,
)
from modules.ui_components import InputAccordion

paste_symbol = "\u2199\ufe0f"

_PROMPT = "red apple"
_WORDS_SHOWN = 24


def plaintext_to_html(text: str, classname: str | None = None) -> str:
    """Text as a paragraph that keeps its lines."""
    lines = "<br>\n".join(html.escape(text).split("\n"))
    return f"<p class='{classname}'>{lines}</p>" if classname else f"<p>{lines}</p>"


class _Tab:
    """One tab's controls. `fields` are those that are a job's fields, by their names there."""

    def __init__(self, name: str, runner: scripts.ScriptRunner) -> None:
        self.name = name
        self.runner = runner
        self.fields: dict[str, Any] = {}
        self.script_inputs: list[Any] = []

    def make(self, field: str | None, kind: Callable[..., Any], item_id: str, *args: Any, **kwargs: Any) -> Any:
        """A control with the tab's name in its id; scripts are told of it."""
        kwargs["elem_id"] = f"{self.name}_{item_id}"
        component = kind(*args, **kwargs)
        self.runner.after_component(component, **kwargs)
        if field:
            self.fields[field] = component
        return component

    def setup_scripts(self) -> None:
        """The scripts' controls, here."""
        with gr.Column(elem_id=f"{self.name}_script_container"):
            self.script_inputs = self.runner.setup_ui()

    def paste_fields(self) -> list[PasteField]:
        """What an infotext fills in."""
        labels = {
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
        own = [PasteField(self.fields[name], label, api=name) for name, label in labels.items() if name in self.fields]
        if "enable_hr" in self.fields:
            own.append(PasteField(self.fields["enable_hr"], lambda params: "Hires upscale" in params, api="enable_hr"))
        return [*own, *self.runner.infotext_fields]


def create_ui() -> gr.Blocks:
    """The whole page. Scripts get new objects and new controls."""
    script_callbacks.ui_settings_callback()
    infotext_utils.reset()
    with gr.Blocks(title="FreeU playground", theme=gr.themes.Base(), analytics_enabled=False) as demo:
        checkpoints = list(sd_models.checkpoints_list)
        chosen = gr.Dropdown(
            checkpoints,
            value=lambda: shared.opts.sd_model_checkpoint,
            label="Checkpoint",
            elem_id="setting_sd_model_checkpoint",
        )
        chosen.change(_choose_checkpoint, [chosen], [])
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("txt2img", elem_id="tab_txt2img"):
                _txt2img_tab(_begin_tab("txt2img"))
            with gr.Tab("img2img", elem_id="tab_img2img"):
                _img2img_tab(_begin_tab("img2img"))
            with gr.Tab("PNG Info", elem_id="tab_pnginfo"):
                _pnginfo_tab()
        infotext_utils.connect_paste_params_buttons()
    return demo


def _begin_tab(name: str) -> _Tab:
    runner = scripts.scripts_img2img if name == "img2img" else scripts.scripts_txt2img
    runner.infotext_fields, runner.paste_field_names = [], []
    runner.initialize_scripts(name == "img2img")
    runner.prepare_ui()
    return _Tab(name, runner)


def _txt2img_tab(tab: _Tab) -> None:
    buttons = _top_row(tab)
    with gr.Row():
        with gr.Column(scale=3):
            _sampling(tab)
            _numbers(tab)
            _hires(tab)
            tab.setup_scripts()
        outputs = _output_panel(tab, other="img2img")
    infotext_utils.add_paste_fields(tab.name, None, tab.paste_fields())
    _connect(tab, StableDiffusionProcessingTxt2Img, buttons, outputs)


def _img2img_tab(tab: _Tab) -> None:
    """Unlike in txt2img, the steps' slider is made after the scripts' controls: hosts do either."""
    buttons = _top_row(tab)
    with gr.Row():
        with gr.Column(scale=3):
            with gr.Row():
                picture = tab.make("init_images", gr.Image, "image", label="Picture", type="pil")
                tab.make("mask", gr.Image, "mask", label="Mask: white is drawn anew", type="pil")
            tab.setup_scripts()
            strength = {"label": "Denoising strength", "minimum": 0, "maximum": 1, "step": 0.01, "value": 0.75}
            tab.make("denoising_strength", gr.Slider, "denoising_strength", **strength)
            _sampling(tab)
            _numbers(tab)
        outputs = _output_panel(tab, other="txt2img")
    infotext_utils.add_paste_fields(tab.name, picture, tab.paste_fields())
    _connect(tab, StableDiffusionProcessingImg2Img, buttons, outputs)


def _pnginfo_tab() -> None:
    with gr.Row():
        picture = gr.Image(label="Source", type="pil", elem_id="pnginfo_image")
        with gr.Column():
            shown = gr.HTML()
            text = gr.Textbox(visible=False, elem_id="pnginfo_generation_info")
            for tabname in ("txt2img", "img2img"):
                button = gr.Button(f"Send to {tabname}", elem_id=f"{tabname}_tab")
                source = picture if tabname == "img2img" else None
                register_paste_params_button(
                    ParamBinding(button, tabname, source_text_component=text, source_image_component=source)
                )
    picture.change(_read_picture, [picture], [shown, text])


def _read_picture(picture: Any) -> tuple[str, str]:
    info = images.read_info_from_image(picture)[0] if picture is not None else None
    return plaintext_to_html(info or "No infotext"), info or ""


def _top_row(tab: _Tab) -> tuple[Any, Any]:
    """Prompts and buttons; returns those that start and end a job."""
    with gr.Row():
        with gr.Column(scale=6):
            prompt = tab.make("prompt", gr.Textbox, "prompt", value=_PROMPT, label="Prompt")
            tab.make("negative_prompt", gr.Textbox, "neg_prompt", value="", label="Negative prompt")
            gr.HTML(_known_words(), elem_id=f"{tab.name}_words")
        with gr.Column(scale=1, min_width=120):
            generate = tab.make(None, gr.Button, "generate", value="Generate", variant="primary")
            interrupt = tab.make(None, gr.Button, "interrupt", value="Interrupt")
            paste = tab.make(None, gr.Button, "paste", value=paste_symbol)
            paste.webui_tooltip = "Read the prompt box' infotext or, where it is empty, the last job's"
    register_paste_params_button(ParamBinding(paste, tab.name, source_text_component=prompt))
    return generate, interrupt


def _known_words() -> str:
    words = shared.sd_model.text.words
    some = ", ".join(words[:: max(1, len(words) // _WORDS_SHOWN)][:_WORDS_SHOWN])
    listing = "<code>python -m playground words</code>"
    return f"<small>The model knows {len(words)} words, such as {some}. {listing} lists all.</small>"


def _sampling(tab: _Tab) -> None:
    with gr.Row():
        names = sd_samplers.visible_sampler_names()
        tab.make("sampler_name", gr.Dropdown, "sampling", choices=names, value=names[0], label="Sampling method")
        tab.make("steps", gr.Slider, "steps", label="Sampling steps", minimum=1, maximum=150, step=1, value=20)


def _numbers(tab: _Tab) -> None:
    with gr.Row():
        for side in ("width", "height"):
            size = {"minimum": SIZE_UNIT, "maximum": 1024, "step": SIZE_UNIT, "value": 256}
            tab.make(side, gr.Slider, side, label=side.capitalize(), **size)
    with gr.Row():
        count = {"minimum": 1, "maximum": 16, "step": 1, "value": 1}
        tab.make("n_iter", gr.Slider, "batch_count", label="Batch count", **count)
        tab.make("batch_size", gr.Slider, "batch_size", label="Batch size", **count)
    with gr.Row():
        guidance = {"minimum": 1, "maximum": 30, "step": 0.5, "value": 3.0}
        tab.make("cfg_scale", gr.Slider, "cfg_scale", label="CFG Scale", **guidance)
        tab.make("seed", gr.Number, "seed", label="Seed", value=-1, precision=0)


def _hires(tab: _Tab) -> None:
    with tab.make("enable_hr", InputAccordion, "hr", False, label="Hires. fix"), gr.Row():
        modes = list(shared.latent_upscale_modes)
        tab.make("hr_upscaler", gr.Dropdown, "hr_upscaler", choices=modes, value=modes[0], label="Upscaler")
        steps = {"label": "Hires steps", "minimum": 0, "maximum": 150, "step": 1, "value": 0}
        tab.make("hr_second_pass_steps", gr.Slider, "hires_steps", **steps)
        strength = {"label": "Denoising strength", "minimum": 0, "maximum": 1, "step": 0.01, "value": 0.7}
        tab.make("denoising_strength", gr.Slider, "denoising_strength", **strength)
        scale = {"label": "Upscale by", "minimum": 1, "maximum": 4, "step": 0.125, "value": 2}
        tab.make("hr_scale", gr.Slider, "hr_scale", **scale)


def _output_panel(tab: _Tab, other: str) -> list[Any]:
    """Gallery, what the job says of itself as JSON, pictures with their infotexts, the selected one, its infotext, and
    messages."""
    with gr.Column(scale=3, elem_id=f"{tab.name}_results"):
        shape = {"columns": 4, "height": 420, "show_label": False, "preview": True, **gallery_format()}
        gallery = gr.Gallery(label="Output", elem_id=f"{tab.name}_gallery", **shape)
        button = gr.Button(f"Send to {other}", elem_id=f"{tab.name}_send_to_{other}")
        info = gr.HTML(elem_id=f"html_info_{tab.name}", elem_classes="infotext")
        log = gr.HTML(elem_id=f"html_log_{tab.name}", elem_classes="html-log")
        generation_info = gr.Textbox(visible=False, elem_id=f"generation_info_{tab.name}")
        made, selected = gr.State([]), gr.State(None)
    gallery.select(_select, [made], [selected, info], queue=False)
    register_paste_params_button(
        ParamBinding(
            button,
            other,
            source_tabname=tab.name,
            source_image_component=selected if other == "img2img" else None,
            paste_field_names=tab.runner.paste_field_names,
        )
    )
    return [gallery, generation_info, made, selected, info, log]


def _select(made: list[Any], event: gr.SelectData) -> tuple[Any, str]:
    picture, text = made[event.index]
    return picture, plaintext_to_html(text)


def _connect(tab: _Tab, make: type[Any], buttons: tuple[Any, Any], outputs: list[Any]) -> None:
    generate, interrupt = buttons

    def job(*values: Any) -> list[Any]:
        return _do_job(tab.runner, make, list(tab.fields), *values)

    inputs = [*tab.fields.values(), *tab.script_inputs]
    call = wrap_gradio_gpu_call(job, extra_outputs=[None, "", [], None, ""])
    generate.click(call, inputs, outputs, api_name=tab.name)
    interrupt.click(shared.state.interrupt, [], [], queue=False)


def _do_job(runner: scripts.ScriptRunner, make: type[Any], names: list[str], *values: Any) -> list[Any]:
    """A job from the values of the tab's fields and of the scripts' controls."""
    fields = dict(zip(names, values, strict=False))
    if "init_images" in fields:
        if fields["init_images"] is None:
            raise ValueError("init_images: there is no picture; put one into the box above")
        fields["init_images"] = [fields["init_images"]]
    with closing(make(**fields)) as p:
        p.scripts = runner
        p.script_args = values[len(names) :]
        processed = runner.run(p, *p.script_args) or process_images(p)
    made = list(zip(processed.images, processed.infotexts, strict=False))
    first = made[0][0] if made else None
    log = plaintext_to_html(processed.comments, "comments")
    return [processed.images, processed.js(), made, first, plaintext_to_html(processed.info), log]


def _choose_checkpoint(name: str) -> None:
    with queue_lock:
        shared.opts.set("sd_model_checkpoint", name)
        sd_models.reload_model_weights()
