"""The inner accordion "My presets": save, rename, delete, import, export. Anything that loses a preset asks first."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from freeu.compat.preset_import import read_preset_file
from freeu.settings.parameter import SettingsError, readable
from freeu.settings.settings import Settings
from freeu.user_presets import ImportResult, check_exists, check_name, describe_error
from freeu.webui.callbacks import error_line
from freeu.webui.gradio_compat import QUIET, UNCHANGED, select
from freeu.webui.preset_catalog import PresetCatalog, first_few

Updates = dict[Any, Any]
"""Updates of the page by component."""


def _show_errors(act: Callable[..., Updates]) -> Callable[..., Updates]:
    """Return what `act` returns, or its error as a message. An open question stays open."""

    @wraps(act)
    def handle(panel: PresetPanel, *inputs: Any) -> Updates:
        try:
            return act(panel, *inputs)
        except (SettingsError, OSError) as error:
            return {panel.message: error_line(describe_error(error))}

    return handle


class PresetPanel:
    """The inner accordion of one tab. `preset` is the dropdown above it, which shows what was saved."""

    def __init__(self, catalog: PresetCatalog, elem_id: Callable[[str], str], preset: Any) -> None:
        self.catalog = catalog
        self.preset = preset
        self._folder = TemporaryDirectory(prefix="freeu-")  # deleted with the page
        with gr.Accordion("My presets", open=False, elem_id=elem_id("presets")):
            info = "Name of the preset to save, rename or delete."
            self.name = gr.Textbox("", label="Name", info=info, max_lines=1, elem_id=elem_id("preset_name"))
            with gr.Row():
                self.save = _button("Save", elem_id("preset_save"))
                self.rename = _button("Rename", elem_id("preset_rename"))
                self.delete = _button("Delete", elem_id("preset_delete"))
            with gr.Column(visible=False, elem_id=elem_id("preset_question")) as self.question:
                self.question_text = gr.HTML("")
                self.new_name = gr.Textbox("", label="New name", max_lines=1, elem_id=elem_id("preset_new_name"))
                with gr.Row():
                    self.yes = _button("Yes", elem_id("preset_yes"), variant="primary")
                    self.no = _button("Cancel", elem_id("preset_no"))
            self.message = gr.HTML("", elem_classes=["freeu-presets-message"])
            with gr.Row():
                kinds = [".json", ".py"]
                self.upload = gr.UploadButton("Import", file_types=kinds, size="sm", elem_id=elem_id("preset_import"))
                self.export = _button("Export", elem_id("preset_export"))
            self.file = gr.File(label="Exported file", visible=False, interactive=False, elem_id=elem_id("preset_file"))
        self.pending = gr.State(None)  # what the question is about: action and name
        self.upload.webui_tooltip = "A file exported here, ljleb's presets.json, or Forge's freeu_presets.py."
        self.export.webui_tooltip = "All your own presets in one file."
        buttons = (self.save, self.rename, self.delete, self.yes, self.no, self.upload, self.export)
        for component in (self.name, self.new_name, self.file, *buttons):
            component.do_not_save_to_config = True

    def connect(self, values: list[Any]) -> list[Any]:
        """Connect the buttons to the tab's controls. Return the events that may change the presets."""
        updated = [self.preset, self.name, self.pending, self.question, self.question_text, self.new_name, self.yes]
        updated.append(self.message)
        self.preset.input(self._choose, [self.preset], [self.name], **QUIET)
        self.rename.click(partial(self._ask_own, "rename"), [self.name], updated, **QUIET)
        self.delete.click(partial(self._ask_own, "delete"), [self.name], updated, **QUIET)
        self.no.click(self._close_question, [], updated, **QUIET)
        self.export.click(self._export, [], [self.file, self.message], **QUIET)
        return [
            self.save.click(self._save, [self.name, *values], updated, **QUIET),
            self.yes.click(self._confirm, [self.pending, self.new_name, *values], updated, **QUIET),
            self.upload.upload(self._import, [self.upload], updated, **QUIET),
        ]

    def _choose(self, preset: str) -> Any:
        """Put the name of a chosen preset of the user's own into the text box."""
        return preset if preset in self.catalog.own_names else UNCHANGED

    @_show_errors
    def _save(self, name: str, *values: Any) -> Updates:
        settings, name = Settings.parse(values), check_name(name)
        self.catalog.reload_if_changed()
        if name in self.catalog.own_names:
            return self._ask("overwrite", name)
        self.catalog.own.save(name, settings)
        return self._finish(f"Saved {name}.", name)

    @_show_errors
    def _ask_own(self, action: str, name: str) -> Updates:
        name = name.strip()
        check_exists(name, self.catalog.own_names)
        return self._ask(action, name)

    @_show_errors
    def _confirm(self, pending: tuple[str, str], new_name: str, *values: Any) -> Updates:
        """Do what the question was about."""
        action, name = pending
        if action == "overwrite":
            self.catalog.own.save(name, Settings.parse(values), overwrite=True)
            return self._finish(f"Saved {name}.", name)
        if action == "rename":
            renamed = self.catalog.own.rename(name, new_name)
            return self._finish(f"Renamed {readable(name)} to {renamed}.", renamed)
        self.catalog.own.delete(name)
        return {**self._finish(f"Deleted {readable(name)}."), self.name: ""}

    @_show_errors
    def _import(self, upload: Any) -> Updates:
        parsed = read_preset_file(Path(upload.name))
        result = self.catalog.own.add(parsed.presets)
        return self._finish(_describe(result._replace(left_out={**result.left_out, **parsed.errors})))

    @_show_errors
    def _export(self) -> Updates:
        path = Path(self._folder.name) / "freeu-presets.json"
        path.write_text(self.catalog.own.export(), "utf-8")
        count = len(self.catalog.own.read().presets)
        text = (
            f"{count} preset{'' if count == 1 else 's'} to download:" if count else "You have no presets of your own."
        )
        return {self.file: gr.update(value=str(path), visible=count > 0), self.message: _paragraph(text)}

    def _ask(self, action: str, name: str) -> Updates:
        """Ask whether to overwrite, rename or delete a preset."""
        yes = action.capitalize()
        return {
            self.pending: (action, name),
            self.question: gr.update(visible=True),
            self.question_text: _paragraph(f"{yes} {readable(name)}?"),
            self.new_name: gr.update(value=name, visible=action == "rename"),
            self.yes: gr.update(value=yes),
            self.message: "",
        }

    def _close_question(self) -> Updates:
        return {self.pending: None, self.question: gr.update(visible=False), self.message: ""}

    def _finish(self, message: str, name: str | None = None) -> Updates:
        """Read the presets again and close the question. `name` is the preset to show from now on."""
        self.catalog.reload_if_changed()
        updates = {**self._close_question(), self.message: _paragraph(message)}
        if name is not None:
            updates |= {self.name: name, self.preset: select(self.catalog.choices(), name)}
        return updates


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _button(label: str, elem_id: str, variant: str = "secondary") -> Any:
    return gr.Button(label, size="sm", variant=variant, elem_id=elem_id)


def _describe(result: ImportResult) -> str:
    """Return what happened to imported presets, in one sentence each."""
    stored = ", ".join(first_few([*result.stored.values()])) or "none"
    renamed = [f"{readable(name)} is now {new}" for name, new in result.stored.items() if new != name]
    left_out = [f"{readable(name)} was left out: {reason}" for name, reason in result.left_out.items()]
    return ". ".join([f"Imported: {stored}", *first_few(renamed), *first_few(left_out)]) + "."
