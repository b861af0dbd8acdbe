"""The X/Y/Z plot: one job a cell, of values along up to three axes, and all cells in a labelled grid."""

from __future__ import annotations

import csv
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
from modules.shared import state
from PIL import Image

from playground import pictures

log = logging.getLogger(__name__)

_NUMBER = r"\s*([+-]?\s*\d+(?:\.\d*)?)\s*"
_RANGE = re.compile(rf"{_NUMBER}-{_NUMBER}(?:\(\s*([+-]\d+(?:\.\d*)?)\s*\)|\[\s*(\d+)\s*\])?\s*")
_NEGLIGIBLE = 1e-9


def apply_field(field: str) -> Callable[[Any, Any, Any], None]:
    """An axis that sets a field of the job."""

    def fun(p: Any, x: Any, xs: Any) -> None:
        setattr(p, field, x)

    return fun


def apply_checkpoint(p: Any, x: str, xs: Any) -> None:
    """Another model for this cell."""
    p.override_settings = {**p.override_settings, "sd_model_checkpoint": x}


def confirm_samplers(p: Any, xs: Sequence[str]) -> None:
    """Raises RuntimeError for an unknown sampler."""
    _confirm_known("sampler", xs, sd_samplers.all_samplers_map)


def confirm_checkpoints(p: Any, xs: Sequence[str]) -> None:
    """Raises RuntimeError for an unknown checkpoint."""
    _confirm_known("checkpoint", xs, sd_models.checkpoint_aliases)


def _confirm_known(kind: str, xs: Sequence[str], known: Any) -> None:
    for x in xs:
        if x not in known:
            raise RuntimeError(f"Unknown {kind}: {x}; there are {', '.join(known)}")


def do_nothing(p: Any, x: Any, xs: Any) -> None:
    """An axis that is not used."""


def format_value_add_label(p: Any, opt: AxisOption, x: Any) -> str:
    """The axis' label and the value."""
    return f"{opt.label}: {format_value(p, opt, x)}"


def format_value(p: Any, opt: AxisOption, x: Any) -> Any:
    """The value alone."""
    return round(x, 8) if isinstance(x, float) else x


def format_nothing(p: Any, opt: AxisOption, x: Any) -> str:
    """No label."""
    return ""


class AxisOption:
    """Something that can vary along an axis.

    `type` makes a value from text, `apply` puts it on a cell's job, `confirm` checks all values before the first
    picture, `prepare` splits the text, `choices` lists what there is. The axis with the highest `cost` changes least.
    """

    def __init__(
        self,
        label: str,
        type: Callable[[Any], Any],  # noqa: A002
        apply: Callable[[Any, Any, Any], object],
        format_value: Callable[[Any, Any, Any], Any] = format_value_add_label,
        confirm: Callable[[Any, Any], object] | None = None,
        cost: float = 0.0,
        choices: Callable[[], list[str]] | None = None,
        prepare: Callable[[str], list[str]] | None = None,
    ) -> None:
        self.label = label
        self.type = type
        self.apply = apply
        self.format_value = format_value
        self.confirm = confirm
        self.cost = cost
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
    AxisOption(
        "Checkpoint name",
        str,
        apply_checkpoint,
        format_value=format_value,
        confirm=confirm_checkpoints,
        cost=1.0,
        choices=lambda: sorted(sd_models.checkpoints_list),
    ),
    AxisOption("Denoising", float, apply_field("denoising_strength")),
]


class _Axis(NamedTuple):
    """An axis of one plot: what varies, its values as text, and the values."""

    name: str
    option: AxisOption
    text: str
    values: list[Any]


class _Cell(NamedTuple):
    """One job of a plot, and what came of it."""

    p: Any
    processed: Processed


class Script(scripts.Script):
    """The plot, in the dropdown of both tabs."""

    current_axis_options: list[AxisOption]

    def title(self) -> str:
        """Its name in the dropdown and, in lower case, in the API."""
        return "X/Y/Z plot"

    def ui(self, is_img2img: bool) -> list[Any]:
        """Three axes and the plot's options."""
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
                control.change(self._select_axis, [kind, csv_mode], [values, dropdown])
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
        """Check all values, draw all cells, and put them into a grid."""
        if not no_fixed_seeds:
            processing.fix_seed(p)
        p.batch_size = 1
        x = self._axis("X", p, x_type, x_values, x_values_dropdown, csv_mode)
        y = self._axis("Y", p, y_type, y_values, y_values_dropdown, csv_mode)
        z = self._axis("Z", p, z_type, z_values, z_values_dropdown, csv_mode)
        state.job_count = len(x.values) * len(y.values) * len(z.values) * p.n_iter
        vary = (vary_seeds_x, vary_seeds_y, vary_seeds_z)
        try:
            cells = {place: self._cell(p, (x, y, z), place, vary) for place in _order(x, y, z)}
        finally:
            sd_models.reload_model_weights()
        return self._result(p, (x, y, z), cells, draw_legend, include_lone_images, include_sub_grids)

    def _checkbox(self, label: str, item_id: str, value: bool = False) -> Any:
        return gr.Checkbox(label=label, value=value, elem_id=self.elem_id(item_id))

    def _axis_controls(self, name: str, chosen: int) -> tuple[Any, Any, Any]:
        labels = [option.label for option in self.current_axis_options]
        label, ids = name.upper(), self.elem_id
        with gr.Row():
            kind = gr.Dropdown(
                labels, label=f"{label} type", value=labels[chosen], type="index", elem_id=ids(f"{name}_type")
            )
            values = gr.Textbox("", label=f"{label} values", elem_id=ids(f"{name}_values"))
            dropdown = gr.Dropdown([], label=f"{label} values", visible=False, multiselect=True, interactive=True)
        return kind, values, dropdown

    def _select_axis(self, axis_type: int | None, csv_mode: bool) -> tuple[Any, Any]:
        """A box for text, or a dropdown where there are choices."""
        choices = self.current_axis_options[axis_type or 0].choices
        shown = choices is not None and not csv_mode
        return gr.update(visible=not shown), gr.update(visible=shown, choices=choices() if choices else [])

    def _axis(self, name: str, p: Any, kind: int | None, text: str, chosen: list[str], csv_mode: bool) -> _Axis:
        option = self.current_axis_options[kind or 0]
        if option.label == "Nothing":
            return _Axis(name, option, "", [0])
        if option.choices is not None and not csv_mode:
            text, parts = ", ".join(map(str, chosen)), [str(value) for value in chosen]
        else:
            parts = option.prepare(text) if option.prepare else _split(text)
        if option.type in (int, float):
            parts = [number for part in parts if part.strip() for number in _expand(part, option.type)]
        values = [option.type(part) for part in parts]
        if option.confirm:
            option.confirm(p, values)
        return _Axis(name, option, text, values)

    def _cell(self, p: Any, axes: tuple[_Axis, ...], place: tuple[int, ...], vary: tuple[bool, ...]) -> _Cell:
        """One job. What it raises is logged, and its place in the grid stays blank."""
        pc = copy(p)
        pc.extra_generation_params = dict(p.extra_generation_params)
        between = 1
        for axis, i, varies in zip(axes, place, vary, strict=True):
            axis.option.apply(pc, axis.values[i], axis.values)
            if varies:
                pc.seed += i * between
                between *= len(axis.values)
        try:
            return _Cell(pc, process_images(pc) if not state.interrupted else Processed(pc, []))
        except Exception:
            log.exception("cell %s of the X/Y/Z plot failed", place)
            return _Cell(pc, Processed(pc, []))

    def _result(
        self,
        p: Any,
        axes: tuple[_Axis, ...],
        cells: dict[tuple[int, ...], _Cell],
        legend: bool,
        with_cells: bool,
        with_grids: bool,
    ) -> Processed:
        """All grids in one, then each grid, if wanted, then each cell, if wanted."""
        first = next((cell for cell in cells.values() if cell.processed.images), next(iter(cells.values())))
        size = first.processed.images[0].size if first.processed.images else (p.width, p.height)
        blank = Image.new("RGB", size)
        shown = {place: (cell.processed.images or [blank])[0] for place, cell in cells.items()}
        x, y, z = axes
        grids = [_grid([[shown[i, j, k] for i in _places(x)] for j in _places(y)], x, y, p, legend) for k in _places(z)]
        text = self._infotext(first, axes)
        result = copy(first.processed)
        result.images, result.infotexts = [_grid([grids], z, None, p, legend)], [text]
        if with_grids:
            result.images += grids
            result.infotexts += [text] * len(grids)
        if with_cells:
            in_order = [(i, j, k) for k in _places(z) for j in _places(y) for i in _places(x)]
            result.images += [shown[place] for place in in_order]
            result.infotexts += [(cells[place].processed.infotexts or [""])[0] for place in in_order]
        result.info, result.index_of_first_image = text, 1
        for image, infotext in zip(result.images, result.infotexts, strict=True):
            image.info["parameters"] = infotext
        return result

    def _infotext(self, first: _Cell, axes: tuple[_Axis, ...]) -> str:
        """The first cell's, and the axes."""
        pc = copy(first.p)
        pc.extra_generation_params = {**pc.extra_generation_params, "Script": self.title()}
        for axis in axes:
            if axis.option.label != "Nothing":
                pc.extra_generation_params[f"{axis.name} Type"] = axis.option.label
                pc.extra_generation_params[f"{axis.name} Values"] = axis.text
        return create_infotext(pc, pc.all_prompts, pc.all_seeds, pc.all_subseeds, index=0)


def _paste_fields(name: str, controls: tuple[Any, Any, Any]) -> list[tuple[Any, Any]]:
    kind, values, dropdown = controls
    key = f"{name} Values"
    return [(kind, f"{name} Type"), (values, key), (dropdown, lambda d: gr.update(value=_split(d.get(key, ""))))]


def _split(text: str) -> list[str]:
    """Values between commas; quotes keep a comma."""
    return [part.strip() for part in next(csv.reader([text.replace("\n", " ")], skipinitialspace=True), [])]


def _expand(part: str, kind: Callable[[Any], Any]) -> Iterator[Any]:
    """The numbers of "1-2 (+0.5)" and "1-2 [5]"; any other text as it is."""
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
        yield from (start + i * step for i in range(int((stop - start) / step + _NEGLIGIBLE) + 1))


def _order(*axes: _Axis) -> list[tuple[int, ...]]:
    """All places, so that a costly axis changes least; x changes fastest where costs are equal."""
    outer_first = sorted(range(len(axes)), key=lambda i: (-axes[i].option.cost, -i))
    places = itertools.product(*(_places(axes[i]) for i in outer_first))
    return [tuple(place[outer_first.index(i)] for i in range(len(axes))) for place in places]


def _places(axis: _Axis) -> range:
    return range(len(axis.values))


def _grid(rows: list[list[Image.Image]], across: _Axis, down: _Axis | None, p: Any, legend: bool) -> Image.Image:
    """Pictures in rows, with their values along the edges, if wanted."""

    def labels(axis: _Axis | None) -> list[str]:
        texts = [str(axis.option.format_value(p, axis.option, value)) for value in axis.values] if axis else []
        return texts if legend and any(texts) else []

    return pictures.grid(rows, labels(across), labels(down))
