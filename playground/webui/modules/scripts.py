"""Scripts: their base class, loading them, and running them in a job."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gradio as gr

from modules import extensions, paths, script_callbacks

log = logging.getLogger(__name__)

AlwaysVisible = object()
"""Returned by `show` of a script that is active on a tab without being selected."""


class Script:
    """Base class of scripts. `args` of a method are the values of the controls that `ui` returned."""

    name: str | None = None
    filename: str = ""
    args_from: int = 0
    args_to: int = 0
    alwayson = False
    is_img2img = False
    group: Any = None
    infotext_fields: Any = None
    paste_field_names: Any = None
    controls: Any = None

    def title(self) -> str:
        """Return the title. In lower case it is the script's name in the API."""
        raise NotImplementedError

    def show(self, is_img2img: bool) -> Any:
        """Return False to hide the script on a tab, True to list it in the dropdown, or AlwaysVisible."""
        return True

    def ui(self, is_img2img: bool) -> Any:
        """Create the controls, and return those whose values are the script's arguments."""

    def setup(self, p: Any, *args: Any) -> None:
        """Called when a job has its scripts and their arguments, before a script of the dropdown runs it."""

    def before_process(self, p: Any, *args: Any) -> None:
        """Called before the options of a job are applied."""

    def process(self, p: Any, *args: Any) -> None:
        """Called when the prompts and seeds of a job are known."""

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Called before the prompts of a batch are encoded."""

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Called after a batch is decoded. `images` is (B, 3, H, W) in 0..1."""

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """Called at the end of a job, unless sampling raised an error."""

    def run(self, p: Any, *args: Any) -> Any:
        """Run the whole job in place of `process_images`, and return its result. For scripts of the dropdown."""

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """Called for each control of the page that is not a script's."""

    def elem_id(self, item_id: str) -> str:
        """Return an element id. It contains the tab's name if the script is shown in the same way on both tabs."""
        tab = "img2img_" if self.is_img2img else "txt2img_"
        title = re.sub(r"[^a-z_0-9]", "", re.sub(r"\s", "_", self.title().lower()))
        return f"script_{tab if self.show(True) == self.show(False) else ''}{title}_{item_id}"


class ScriptClassData(NamedTuple):
    """A script's class, its file, the folder of its extension, and the module of the file."""

    script_class: type[Script]
    path: str
    basedir: str
    module: ModuleType


class ScriptFile(NamedTuple):
    """A file of the WebUI or of an extension."""

    basedir: str
    filename: str
    path: str


scripts_data: list[ScriptClassData] = []


def list_scripts(scriptdirname: str, extension: str) -> list[ScriptFile]:
    """Return the files with a suffix in a folder of the WebUI, then in that of each extension."""
    files = [(root, path) for root in _roots() for path in sorted((root / scriptdirname).glob(f"*{extension}"))]
    return [ScriptFile(str(root), path.name, str(path)) for root, path in files]


def list_files_with_name(filename: str) -> list[str]:
    """Return the files of that name of the WebUI and of each extension."""
    return [str(root / filename) for root in _roots() if (root / filename).is_file()]


def _roots() -> list[Path]:
    return [Path(root) for root in (paths.script_path, *(extension.path for extension in extensions.active()))]


def load_scripts() -> None:
    """Execute all script files, after removing the scripts and callbacks of the previous time."""
    global scripts_txt2img, scripts_img2img  # noqa: PLW0603  # as in the real WebUI
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    for file in list_scripts("scripts", ".py"):
        with _on_sys_path(file.basedir):
            wrap_call(_load, file.filename, "import", file)
    scripts_txt2img = ScriptRunner()
    scripts_img2img = ScriptRunner()


@contextmanager
def _on_sys_path(folder: str) -> Iterator[None]:
    before = sys.path
    sys.path = [folder, *before]
    try:
        yield
    finally:
        sys.path = before


def _load(file: ScriptFile) -> None:
    """Execute a file as a module that is not in `sys.modules`, so that each reload executes it again."""
    spec = importlib.util.spec_from_file_location(file.filename, file.path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [item for item in vars(module).values() if inspect.isclass(item) and issubclass(item, Script)]
    scripts_data.extend(ScriptClassData(item, file.path, file.basedir, module) for item in classes)


def wrap_call(
    func: Callable[..., Any], filename: str, funcname: str, *args: Any, default: Any = None, **kwargs: Any
) -> Any:
    """Call a function of a script. If it raises, log the error and return `default`."""
    try:
        return func(*args, **kwargs)
    except Exception:
        log.exception("%s of %s failed", funcname, filename)
        return default


class ScriptRunner:
    """The scripts of one tab. `inputs` are all their controls; the first is the dropdown that selects a script."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.alwayson_scripts: list[Script] = []
        self.selectable_scripts: list[Script] = []
        self.infotext_fields: list[Any] = []
        self.paste_field_names: list[Any] = []
        self.inputs: list[Any] = [None]

    def initialize_scripts(self, is_img2img: bool) -> None:
        """Create an object of each script that is shown on this tab."""
        self.scripts, self.alwayson_scripts, self.selectable_scripts = [], [], []
        for data in scripts_data:
            script = wrap_call(data.script_class, data.path, "__init__")
            if script is None:
                continue
            script.filename = data.path
            script.is_img2img = is_img2img
            shown = script.show(is_img2img)
            if shown:
                script.alwayson = shown is AlwaysVisible
                self.scripts.append(script)
                (self.alwayson_scripts if script.alwayson else self.selectable_scripts).append(script)

    def prepare_ui(self) -> None:
        """Forget the controls of the previous page."""
        self.inputs = [None]

    def setup_ui(self) -> list[Any]:
        """Create the controls of all scripts and the dropdown. Returns them as the inputs of `run`."""
        for script in self.alwayson_scripts:
            self._create_group(script)
        titles = [script.title() for script in self.selectable_scripts]
        dropdown = gr.Dropdown(
            label="Script", elem_id="script_list", choices=["None", *titles], value="None", type="index"
        )
        self.inputs[0] = dropdown
        for script in self.selectable_scripts:
            self._create_group(script)
        groups = [script.group for script in self.selectable_scripts]
        dropdown.change(self._show_selected, inputs=[dropdown], outputs=groups)
        self.infotext_fields.append((dropdown, lambda params: gr.update(value=params.get("Script", "None"))))
        self.infotext_fields.extend(
            (group, lambda params, title=title: gr.update(visible=params.get("Script") == title))
            for group, title in zip(groups, titles, strict=True)
        )
        return self.inputs

    def _create_group(self, script: Script) -> None:
        script.args_from = script.args_to = len(self.inputs)
        with gr.Group(visible=script.alwayson) as script.group:
            wrap_call(self.create_script_ui, script.filename, "ui", script)

    def create_script_ui(self, script: Script) -> None:
        """Create the controls of one script."""
        script.controls = script.ui(script.is_img2img)
        script.name = script.title().lower()
        self.infotext_fields += script.infotext_fields or []
        self.paste_field_names += script.paste_field_names or []
        self.inputs += script.controls
        script.args_to = len(self.inputs)

    def run(self, p: Any, *args: Any) -> Any:
        """Run the script that the dropdown, the first argument, selects. Returns None if it selects none."""
        index = args[0]
        if not index:
            return None
        script = self.selectable_scripts[index - 1]
        return script.run(p, *args[script.args_from : script.args_to])

    def setup_scrips(self, p: Any, *, is_ui: bool = True) -> None:
        """Call `setup` of the always-on scripts. The WebUI spells the name like this."""
        self._call("setup", p)

    def before_process(self, p: Any) -> None:
        """Call this method of the always-on scripts, like the methods below."""
        self._call("before_process", p)

    def process(self, p: Any) -> None:
        """See Script."""
        self._call("process", p)

    def process_batch(self, p: Any, **kwargs: Any) -> None:
        """See Script."""
        self._call("process_batch", p, **kwargs)

    def postprocess_batch(self, p: Any, images: Any, **kwargs: Any) -> None:
        """See Script."""
        self._call("postprocess_batch", p, images=images, **kwargs)

    def postprocess(self, p: Any, processed: Any) -> None:
        """See Script."""
        self._call("postprocess", p, processed)

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """Call this method of all scripts."""
        for script in self.scripts:
            wrap_call(script.after_component, script.filename, "after_component", component, **kwargs)

    def _call(self, method: str, p: Any, *first: Any, **kwargs: Any) -> None:
        """Call a method of each always-on script with the script's own arguments."""
        for script in self.alwayson_scripts:
            args = p.script_args[script.args_from : script.args_to]
            wrap_call(getattr(script, method), script.filename, method, p, *first, *args, **kwargs)

    def _show_selected(self, script_index: int | None) -> Any:
        shown = [gr.update(visible=i == script_index) for i in range(1, len(self.selectable_scripts) + 1)]
        return shown if len(shown) > 1 else shown[0]


scripts_txt2img = ScriptRunner()
scripts_img2img = ScriptRunner()
