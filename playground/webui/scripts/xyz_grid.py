"""The X/Y/Z plot: one job per combination of values on up to three axes, and a grid of the images."""

from __future__ import annotations

import csv
import io
import itertools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from modules import processing, scripts, sd_models, sd_samplers
from modules.processing import Processed, create_infotext, process_images
from modules.shared import cmd_opts, state
from PIL import Image

from playground import images

log = logging.getLogger(__name__)

_NUMBER = r"\s*([+-]?\s*\d+(?:\.\d*)?)\s*"
_RANGE = re.compile(rf"{_NUMBER}-{_NUMBER}(?:\(\s*([+-]\d+(?:\.\d*)?)\s*\)|\[\s*(\d+)\s*\])?\s*")
_TOLERANCE = 1e-9


def apply_field(field: str) -> Callable[[Any, Any, Any], None]:
    """Return a function that sets a field of the job."""

    def fun(p: Any, x: Any, xs: Any) -> None:
        setattr(p, field, x)

    return fun


def confirm_samplers(p: Any, xs: Sequence[str]) -> None:
    """Raise RuntimeError for an unknown sampler."""
    for x in xs:
        if x not in sd_samplers.all_samplers_map:
            raise RuntimeError(f"Sampler must be one of {', '.join(sd_samplers.all_samplers_map)}, got {x!r}")


def do_nothing(p: Any, x: Any, xs: Any) -> None:
    """Leave the job unchanged, for an unused axis."""


def format_value_add_label(p: Any, opt: AxisOption, x: Any) -> str:
    """Return the axis' label and the value."""
    return f"{opt.label}: {format_value(p, opt, x)}"


def format_value(p: Any, opt: AxisOption, x: Any) -> Any:
    """Return the value, with floats rounded."""
    return round(x, 8) if isinstance(x, float) else x


def format_nothing(p: Any, opt: AxisOption, x: Any) -> str:
    """Return no label."""
    return ""


class AxisOption:
    """A property that can vary along an axis.

    type: converts text to a value. apply: sets the value on a cell's job. confirm: validates all values before the
    first job. prepare: splits the text into values. choices: lists the possible values.
    """

    def __init__(
        self,
        label: str,
        type: Callable[[Any], Any],  # noqa: A002
        apply: Callable[[Any, Any, Any], object],
        format_value: Callable[[Any, Any, Any], Any] = format_value_add_label,
        confirm: Callable[[Any, Any], object] | None = None,
        *,
        choices: Callable[[], list[str]] | None = None,
        prepare: Callable[[str], list[str]] | None = None,
    ) -> None:
        self.label = label
        self.type = type
        self.apply = apply
        self.format_value = format_value
        self.confirm = confirm
        self.choices = choices
        self.prepare = prepare


axis_options = [
    AxisOption("Nothing", str, do_nothing, format_value=format_nothing),
    AxisOption("Seed", int, apply_field("seed")),
    AxisOption("Steps", int, apply_field("steps")),
    AxisOption("CFG Scale", float, apply_field("cfg_scale")),
    AxisOption("Prompt", str, apply_field("prompt"), format_value=format_value),
    AxisOption(
        "Sampler",
        str,
        apply_field("sampler_name"),
        format_value=format_value,
        confirm=confirm_samplers,
        choices=sd_samplers.visible_sampler_names,
    ),
]


class _Axis(NamedTuple):
    """An axis of one plot: X, Y or Z, the property, its values as text and as values, and whether seeds vary."""

    name: str
    option: AxisOption
    text: str
    values: list[Any]
    vary_seeds: bool


class _Cell(NamedTuple):
    """A job of the plot and its result."""

    p: Any
    processed: Processed


class Script(scripts.Script):
    """The plot in the dropdown of both tabs."""

    current_axis_options: list[AxisOption]

    def title(self) -> str:
        """Return the name in the dropdown and, in lower case, in the API."""
        return "X/Y/Z plot"

    def show(self, is_img2img: bool) -> bool:
        """Show this class or _ForgeScript."""
        return not cmd_opts.forge

    def ui(self, is_img2img: bool) -> list[Any]:
        """Create the controls of three axes and of the grid."""
        self.current_axis_options = list(axis_options)
        axes = [self._axis_controls(name, 1 if name == "x" else 0) for name in "xyz"]
        with gr.Row():
            draw_legend = self._checkbox("Draw legend", "draw_legend", value=True)
            include_lone_images = self._checkbox("Include Sub Images", "include_lone_images")
            include_sub_grids = self._checkbox("Include Sub Grids", "include_sub_grids")
            no_fixed_seeds = self._checkbox("Keep -1 for seeds", "no_fixed_seeds")
            csv_mode = self._checkbox("Use text inputs instead of dropdowns", "csv_mode")
        with gr.Row():
            vary_seeds = [self._checkbox(f"Vary seeds for {name.upper()}", f"vary_seeds_{name}") for name in "xyz"]
            margin = {"label": "Grid margins (px)", "minimum": 0, "maximum": 500, "value": 0, "step": 2}
            margin_size = gr.Slider(**margin, elem_id=self.elem_id("margin_size"))
        for kind, values, dropdown in axes:
            for control in (kind, csv_mode):
                control.change(self._show_values, [kind, csv_mode], [values, dropdown])
        self.infotext_fields = [
            pair for name, axis in zip("XYZ", axes, strict=True) for pair in _paste_fields(name, axis)
        ]
        flags = [draw_legend, include_lone_images, include_sub_grids, no_fixed_seeds, *vary_seeds, margin_size]
        return [control for axis in axes for control in axis] + [*flags, csv_mode]

    def run(
        self,
        p: Any,
        x_type: int,
        x_values: str,
        x_values_dropdown: list[str],
        y_type: int,
        y_values: str,
        y_values_dropdown: list[str],
        z_type: int,
        z_values: str,
        z_values_dropdown: list[str],
        draw_legend: bool,
        include_lone_images: bool,
        include_sub_grids: bool,
        no_fixed_seeds: bool,
        vary_seeds_x: bool,
        vary_seeds_y: bool,
        vary_seeds_z: bool,
        margin_size: int,
        csv_mode: bool,
    ) -> Processed:
        """Validate all values, run the job of each cell, and arrange the images. `margin_size` is ignored."""
        if not no_fixed_seeds:
            processing.fix_seed(p)
        p.batch_size = 1
        x = self._axis("X", p, x_type, x_values, x_values_dropdown, csv_mode, vary_seeds_x)
        y = self._axis("Y", p, y_type, y_values, y_values_dropdown, csv_mode, vary_seeds_y)
        z = self._axis("Z", p, z_type, z_values, z_values_dropdown, csv_mode, vary_seeds_z)
        state.job_count = len(x.values) * len(y.values) * len(z.values) * p.n_iter
        try:
            cells = {index[::-1]: _run_cell(p, (x, y, z), index[::-1]) for index in _indices(z, y, x)}
        finally:
            sd_models.reload_model_weights()
        return self._result(p, (x, y, z), cells, draw_legend, include_lone_images, include_sub_grids)

    def _checkbox(self, label: str, item_id: str, value: bool = False) -> Any:
        return gr.Checkbox(label=label, value=value, elem_id=self.elem_id(item_id))

    def _axis_controls(self, name: str, selected: int) -> tuple[Any, Any, Any]:
        labels = [option.label for option in self.current_axis_options]
        label, element = name.upper(), self.elem_id
        with gr.Row():
            kind = gr.Dropdown(
                labels, label=f"{label} type", value=labels[selected], type="index", elem_id=element(f"{name}_type")
            )
            values = gr.Textbox("", label=f"{label} values", elem_id=element(f"{name}_values"))
            dropdown = gr.Dropdown([], label=f"{label} values", visible=False, multiselect=True, interactive=True)
        return kind, values, dropdown

    def _show_values(self, axis_type: int | None, csv_mode: bool) -> tuple[Any, Any]:
        """Show the text box, or the dropdown of a property with choices."""
        choices = self.current_axis_options[axis_type or 0].choices
        shown = choices is not None and not csv_mode
        return gr.update(visible=not shown), gr.update(visible=shown, choices=choices() if choices else [])

    def _axis(
        self, name: str, p: Any, kind: int | None, text: str, selected: list[str], csv_mode: bool, vary_seeds: bool
    ) -> _Axis:
        option = self.current_axis_options[kind or 0]
        if option.label == "Nothing":
            return _Axis(name, option, "", [0], vary_seeds)
        if option.choices is not None and not csv_mode:
            text, parts = ", ".join(map(str, selected)), [str(value) for value in selected]
        else:
            parts = option.prepare(text) if option.prepare else _split(text)
        if option.type in (int, float):
            parts = [number for part in parts if part.strip() for number in _expand(part, option.type)]
        values = [option.type(part) for part in parts]
        if option.confirm:
            option.confirm(p, values)
        return _Axis(name, option, text, values, vary_seeds)

    def _result(
        self,
        p: Any,
        axes: tuple[_Axis, ...],
        cells: dict[tuple[int, ...], _Cell],
        legend: bool,
        include_cells: bool,
        include_grids: bool,
    ) -> Processed:
        """Return a grid of everything, then each Z value's grid and each cell if they are included."""
        first = next((cell for cell in cells.values() if cell.processed.images), next(iter(cells.values())))
        size = first.processed.images[0].size if first.processed.images else (p.width, p.height)
        blank = Image.new("RGB", size)
        shown = {index: (cell.processed.images or [blank])[0] for index, cell in cells.items()}
        x, y, z = axes
        grids = []
        for (k,) in _indices(z):
            rows = [[shown[i, j, k] for (i,) in _indices(x)] for (j,) in _indices(y)]
            grids.append(images.grid(rows, _labels(p, x, legend), _labels(p, y, legend)))
        text = self._infotext(first, axes)
        result = copy(first.processed)
        result.images, result.infotexts = [images.grid([grids], _labels(p, z, legend))], [text]
        if include_grids:
            result.images += grids
            result.infotexts += [text] * len(grids)
        if include_cells:
            result.images += shown.values()
            result.infotexts += [(cell.processed.infotexts or [""])[0] for cell in cells.values()]
        result.info, result.index_of_first_image = text, 1
        for image, infotext in zip(result.images, result.infotexts, strict=True):
            image.info["parameters"] = infotext
        return result

    def _infotext(self, first: _Cell, axes: tuple[_Axis, ...]) -> str:
        """Return the infotext of the first cell with the axes."""
        pc = copy(first.p)
        pc.extra_generation_params = {**pc.extra_generation_params, "Script": self.title()}
        for axis in axes:
            if axis.option.label != "Nothing":
                pc.extra_generation_params[f"{axis.name} Type"] = axis.option.label
                pc.extra_generation_params[f"{axis.name} Values"] = axis.text
        return create_infotext(pc, pc.all_prompts, pc.all_seeds, pc.all_subseeds)


class _ForgeScript(Script):
    """The plot of Forge Neo, which has one argument more."""

    def show(self, is_img2img: bool) -> bool:
        """Show this class or Script."""
        return bool(cmd_opts.forge)

    def ui(self, is_img2img: bool) -> list[Any]:
        """Create the controls."""
        *controls, margin_size, csv_mode = super().ui(is_img2img)
        count = {"label": "Row Count", "minimum": 0, "maximum": 8, "value": 0, "step": 1}
        row_count = gr.Slider(**count, elem_id=self.elem_id("row_count"))
        return [*controls, row_count, margin_size, csv_mode]

    def run(self, p: Any, *args: Any) -> Processed:
        """Run the plot. The number of rows is ignored."""
        *others, _row_count, margin_size, csv_mode = args
        run: Callable[..., Processed] = super().run
        return run(p, *others, margin_size, csv_mode)


def _run_cell(p: Any, axes: tuple[_Axis, ...], index: tuple[int, ...]) -> _Cell:
    """Run the job of a cell. An error is logged, and the cell has no image."""
    pc = copy(p)
    pc.styles = p.styles[:]
    pc.extra_generation_params = dict(p.extra_generation_params)
    seed_step = 1
    for axis, i in zip(axes, index, strict=True):
        axis.option.apply(pc, axis.values[i], axis.values)
        if axis.vary_seeds:
            pc.seed += i * seed_step
            seed_step *= len(axis.values)
    try:
        return _Cell(pc, process_images(pc) if not state.interrupted else Processed(pc, []))
    except Exception:
        log.exception("cell %s of the X/Y/Z plot failed", index)
        return _Cell(pc, Processed(pc, []))


def _paste_fields(name: str, controls: tuple[Any, Any, Any]) -> list[tuple[Any, Any]]:
    kind, values, dropdown = controls
    key = f"{name} Values"
    return [(kind, f"{name} Type"), (values, key), (dropdown, lambda d: gr.update(value=_split(d.get(key, ""))))]


def _split(text: str) -> list[str]:
    """Split at commas and ends of lines outside of quotes."""
    return [part.strip() for line in csv.reader(io.StringIO(text), skipinitialspace=True) for part in line]


def _expand(part: str, kind: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield the numbers of a range such as "1-2 (+0.5)" or "1-2 [5]"; yield any other text unchanged."""
    match = _RANGE.fullmatch(part)
    if match is None:
        yield part
        return
    start, stop = (kind(bound.replace(" ", "")) for bound in match.group(1, 2))
    if match[4]:
        yield from np.linspace(start, stop, int(match[4])).tolist()
        return
    step = kind(match[3] or 1)
    if step:
        yield from (start + i * step for i in range(int((stop - start) / step + _TOLERANCE) + 1))


def _indices(*axes: _Axis) -> Iterator[tuple[int, ...]]:
    """Yield the indices of all combinations of values; the last axis changes fastest."""
    return itertools.product(*(range(len(axis.values)) for axis in axes))


def _labels(p: Any, axis: _Axis, legend: bool) -> list[str]:
    texts = [str(axis.option.format_value(p, axis.option, value)) for value in axis.values]
    return texts if legend and any(texts) else []
