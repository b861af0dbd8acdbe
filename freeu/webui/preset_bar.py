"""One's own presets on the page: save, rename, delete, import, export. What would lose something asks first."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from freeu import otherpresets
from freeu.params import Settings
from freeu.presetfile import BrokenFileError
from freeu.userpresets import Import, TakenError
from freeu.values import SettingsError
from freeu.webui import answers, presets

Answer = dict[Any, Any]
"""What changes on the page, by component."""

_QUIETLY: dict[str, Any] = {"queue": False, "show_progress": "hidden"}


def _telling(act: Callable[..., Answer]) -> Callable[..., Answer]:
    """What `act` answers, or why it could not. A question stays, so that it can be answered in another way."""

    @wraps(act)
    def answer(bar: PresetBar, *inputs: Any) -> Answer:
        try:
            return act(bar, *inputs)
        except (SettingsError, BrokenFileError, OSError) as error:
            return {bar.message: answers.alert(error)}

    return answer


class PresetBar:
    """The inner accordion of one tab. `preset` is the dropdown above, which shows what was saved."""

    def __init__(self, elem_id: Callable[[str], str], preset: Any) -> None:
        self.preset = preset
        self._folder = TemporaryDirectory(prefix="freeu-")  # goes away with the page
        with gr.Accordion("My presets", open=False, elem_id=elem_id("presets")):
            told = "Of the preset to save, rename or delete."
            self.name = gr.Textbox("", label="Name", info=told, max_lines=1, elem_id=elem_id("preset_name"))
            with gr.Row():
                self.save = _button("Save", elem_id("preset_save"))
                self.rename = _button("Rename", elem_id("preset_rename"))
                self.delete = _button("Delete", elem_id("preset_delete"))
            with gr.Column(visible=False, elem_id=elem_id("preset_question")) as self.question:
                self.asked = gr.HTML("")
                self.new_name = gr.Textbox("", label="New name", max_lines=1, elem_id=elem_id("preset_new_name"))
                with gr.Row():
                    self.yes = _button("Yes", elem_id("preset_yes"), variant="primary")
                    self.no = _button("Cancel", elem_id("preset_no"))
            self.message = gr.HTML("", elem_classes=["freeu-presets-message"])
            with gr.Row():
                kinds = [".json", ".py"]
                self.upload = gr.UploadButton("Import", file_types=kinds, size="sm", elem_id=elem_id("preset_import"))
                self.export = _button("Export", elem_id("preset_export"))
            self.file = gr.File(label="Exported", visible=False, interactive=False, elem_id=elem_id("preset_file"))
        self.pending = gr.State(None)
        self.upload.webui_tooltip = "A file that was exported here, ljleb's presets.json, or Forge's freeu_presets.py"
        self.export.webui_tooltip = "All presets of your own, as a file to keep or to share"
        buttons = (self.save, self.rename, self.delete, self.yes, self.no, self.upload, self.export)
        for component in (self.name, self.new_name, self.file, *buttons):
            component.do_not_save_to_config = True

    def listen(self, values: list[Any]) -> list[Any]:
        """Connect the buttons; `values` are the tab's controls. Returns the events that may change the presets."""
        shown = [self.preset, self.name, self.pending, self.question, self.asked, self.new_name, self.yes, self.message]
        self.preset.input(self._choose, [self.preset], [self.name], **_QUIETLY)
        self.rename.click(self._ask_rename, [self.name], shown, **_QUIETLY)
        self.delete.click(self._ask_delete, [self.name], shown, **_QUIETLY)
        self.no.click(self._done, [], shown, **_QUIETLY)
        self.export.click(self._export, [], [self.file, self.message], **_QUIETLY)
        return [
            self.save.click(self._save, [self.name, *values], shown, **_QUIETLY),
            self.yes.click(self._confirm, [self.pending, self.new_name, *values], shown, **_QUIETLY),
            self.upload.upload(self._import, [self.upload], shown, **_QUIETLY),
        ]

    def _choose(self, preset: str) -> Any:
        """The name of a preset of one's own, so that it can be saved again."""
        return preset if preset in presets.OWN.presets else gr.update()

    @_telling
    def _save(self, name: str, *values: Any) -> Answer:
        try:
            name = presets.OWN.save(name, Settings.parse(values))
        except TakenError as taken:
            return self._ask("overwrite", str(taken.value), f"Overwrite {taken.value}?", "Overwrite")
        return self._done(f"Saved {name}.", name)

    @_telling
    def _ask_rename(self, name: str) -> Answer:
        name = _known(name)
        asked = self._ask("rename", name, f"Rename {name}?", "Rename")
        return {**asked, self.new_name: gr.update(value=name, visible=True)}

    @_telling
    def _ask_delete(self, name: str) -> Answer:
        name = _known(name)
        return self._ask("delete", name, f"Delete {name}?", "Delete")

    @_telling
    def _confirm(self, pending: tuple[str, str], new_name: str, *values: Any) -> Answer:
        """What the question was about."""
        act, name = pending
        if act == "overwrite":
            presets.OWN.save(name, Settings.parse(values), overwrite=True)
            return self._done(f"Saved {name}.", name)
        if act == "rename":
            renamed = presets.OWN.rename(name, new_name)
            return self._done(f"Renamed {name} to {renamed}.", renamed)
        presets.OWN.delete(name)
        return {**self._done(f"Deleted {name}."), self.name: ""}

    @_telling
    def _import(self, upload: Any) -> Answer:
        found = otherpresets.read(Path(upload.name).read_bytes())
        done = presets.OWN.add(found.presets)
        return self._done(_report(done._replace(left_out={**done.left_out, **found.refused})))

    @_telling
    def _export(self) -> Answer:
        path = Path(self._folder.name) / "freeu-presets.json"
        path.write_text(presets.OWN.export(), "utf-8")
        count = len(presets.OWN.presets)
        told = (
            f"{count} preset{'' if count == 1 else 's'} to download:" if count else "There are no presets of your own."
        )
        return {self.file: gr.update(value=str(path), visible=count > 0), self.message: _tell(told)}

    def _ask(self, act: str, name: str, question: str, yes: str) -> Answer:
        return {
            self.pending: (act, name),
            self.question: gr.update(visible=True),
            self.asked: f"<p>{html.escape(question)}</p>",
            self.new_name: gr.update(visible=False),
            self.yes: gr.update(value=yes),
            self.message: "",
        }

    def _done(self, told: str = "", name: str | None = None) -> Answer:
        """Nothing is asked any more. `name` is what the page shows from now on."""
        answer = {self.pending: None, self.question: gr.update(visible=False), self.message: _tell(told)}
        if name is not None:
            answer |= {self.name: name, self.preset: gr.update(choices=presets.choices(), value=name)}
        return answer


def _tell(told: str) -> str:
    return f"<p>{html.escape(told)}</p>" if told else ""


def _button(label: str, elem_id: str, variant: str = "secondary") -> Any:
    return gr.Button(label, size="sm", variant=variant, elem_id=elem_id)


def _known(name: str) -> str:
    name = name.strip()
    if name not in presets.OWN.names:
        own = ", ".join(presets.OWN.names) or "none yet"
        raise SettingsError("preset", name, f"presets of your own are: {own}")
    return name


def _report(done: Import) -> str:
    """What became of imported presets, in a sentence each."""
    renamed = [f"{name} is now {new}" for name, new in done.renamed.items()]
    left_out = [f"{name} was left out: {why}" for name, why in done.left_out.items()]
    return ". ".join([f"Imported: {', '.join(done.added) or 'none'}", *renamed, *left_out]) + "."
