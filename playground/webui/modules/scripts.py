"""Scripts: what one may do, how they are loaded, and who runs them in which order."""

from __future__ import annotations

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

from modules import extensions, paths, script_callbacks, script_loading

log = logging.getLogger(__name__)

AlwaysVisible = object()
"""What `show` returns for a script that is always on."""


class PostSampleArgs:
    """Samples that `post_sample` may replace."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples


class PostprocessImageArgs:
    """A picture that `postprocess_image` may replace."""

    def __init__(self, image: Any) -> None:
        self.image = image


class Script:
    """Base of all scripts. A method that a script does not fill in does nothing.

    `args` are the values of the controls that `ui` returned.
    """

    name: str | None = None
    section: str | None = None
    filename: str = ""
    args_from: int = 0
    args_to: int = 0
    alwayson = False
    is_img2img = False
    group: Any = None
    infotext_fields: Any = None
    paste_field_names: Any = None
    api_info: Any = None
    controls: Any = None

    def title(self) -> str:
        """What people call it; in lower case, its name in the API."""
        raise NotImplementedError

    def show(self, is_img2img: bool) -> Any:
        """False: not on this tab. True: in the dropdown. AlwaysVisible: always on."""
        return True

    def ui(self, is_img2img: bool) -> Any:
        """Make controls and return those whose values are the script's arguments."""

    def before_process(self, p: Any, *args: Any) -> None:
        """A job starts, before its options are applied."""

    def process(self, p: Any, *args: Any) -> None:
        """A job's prompts and seeds are known."""

    def before_process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """A batch starts."""

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """A batch's prompts are about to be read by the model."""

    def process_before_every_sampling(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """A pass of a batch is about to be sampled."""

    def before_hr(self, p: Any, *args: Any) -> None:
        """The second pass of hires. fix is about to start."""

    def post_sample(self, p: Any, ps: PostSampleArgs, *args: Any) -> None:
        """A batch was sampled, and is not decoded yet."""

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """A batch was drawn; `images` are its pictures in 0..1."""

    def postprocess_image(self, p: Any, pp: PostprocessImageArgs, *args: Any) -> None:
        """A picture was drawn."""

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """A job is done. Not called where sampling raised an error."""

    def run(self, p: Any, *args: Any) -> Any:
        """Do the whole job in the host's place, and return what process_images would."""

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """The page made one of its own controls."""

    def elem_id(self, item_id: str) -> str:
        """An id for one of the script's controls: with the tab's name where the script is shown alike on both."""
        tab = "img2img_" if self.is_img2img else "txt2img_"
        title = re.sub(r"[^a-z_0-9]", "", re.sub(r"\s", "_", self.title().lower()))
        return f"script_{tab if self.show(True) == self.show(False) else ''}{title}_{item_id}"


class ScriptClassData(NamedTuple):
    """A script's class, its file, its extension's folder, and the module that the file became."""

    script_class: type[Script]
    path: str
    basedir: str
    module: ModuleType


class ScriptFile(NamedTuple):
    """A file of the host or an extension."""

    basedir: str
    filename: str
    path: str


scripts_data: list[ScriptClassData] = []


def list_scripts(scriptdirname: str, extension: str) -> list[ScriptFile]:
    """Files in that folder of the host, then of each extension."""
    roots = [paths.script_path, *(extension.path for extension in extensions.active())]
    files = [(root, path) for root in roots for path in sorted((Path(root) / scriptdirname).glob(f"*{extension}"))]
    return [ScriptFile(root, path.name, str(path)) for root, path in files]


def list_files_with_name(filename: str) -> list[str]:
    """That file of the host and of each extension, where there is one."""
    roots = [paths.script_path, *(extension.path for extension in extensions.active())]
    return [str(path) for root in roots if (path := Path(root) / filename).is_file()]


def load_scripts() -> None:
    """Run all script files anew, and forget what the last ones registered. One that fails is left out."""
    global scripts_txt2img, scripts_img2img  # noqa: PLW0603
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    for file in list_scripts("scripts", ".py"):
        with _importable(file.basedir):
            wrap_call(_load, file.filename, "import", file)
    scripts_txt2img = ScriptRunner()
    scripts_img2img = ScriptRunner()


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Modules of that folder can be imported by name."""
    before = sys.path
    sys.path = [folder, *before]
    try:
        yield
    finally:
        sys.path = before


def _load(file: ScriptFile) -> None:
    module = script_loading.load_module(file.path)
    classes = [item for item in vars(module).values() if inspect.isclass(item) and issubclass(item, Script)]
    scripts_data.extend(ScriptClassData(item, file.path, file.basedir, module) for item in classes)


def wrap_call(
    func: Callable[..., Any], filename: str, funcname: str, *args: Any, default: Any = None, **kwargs: Any
) -> Any:
    """Call a script's function. What it raises is logged, and `default` returned."""
    try:
        return func(*args, **kwargs)
    except Exception:
        log.exception("%s of %s failed", funcname, filename)
        return default


class ScriptRunner:
    """The scripts of one tab. `inputs` are their controls; the first says which of the dropdown runs."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.alwayson_scripts: list[Script] = []
        self.selectable_scripts: list[Script] = []
        self.titles: list[str] = []
        self.infotext_fields: list[Any] = []
        self.paste_field_names: list[Any] = []
        self.inputs: list[Any] = [None]

    def initialize_scripts(self, is_img2img: bool) -> None:
        """Make an object of each script that shows itself on this tab."""
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
        """The page is made anew."""
        self.inputs = [None]

    def setup_ui(self) -> list[Any]:
        """All scripts' controls and the dropdown, which are the inputs of `run`."""
        self.titles = [
            wrap_call(script.title, script.filename, "title", default=script.filename)
            for script in self.selectable_scripts
        ]
        self.setup_ui_for_section(None)
        dropdown = gr.Dropdown(
            label="Script", elem_id="script_list", choices=["None", *self.titles], value="None", type="index"
        )
        self.inputs[0] = dropdown
        self.setup_ui_for_section(None, self.selectable_scripts)
        groups = [script.group for script in self.selectable_scripts]
        dropdown.change(self._show_selected, inputs=[dropdown], outputs=groups)
        self.infotext_fields.append((dropdown, lambda params: gr.update(value=params.get("Script", "None"))))
        self.infotext_fields.extend(
            (group, lambda params, title=title: gr.update(visible=params.get("Script") == title))
            for group, title in zip(groups, self.titles, strict=True)
        )
        return self.inputs

    def setup_ui_for_section(self, section: str | None, scriptlist: list[Script] | None = None) -> None:
        """The controls of the always-on scripts, or of those in `scriptlist`, each script's in a group."""
        for script in self.alwayson_scripts if scriptlist is None else scriptlist:
            if not script.alwayson or script.section == section:
                with gr.Group(visible=script.alwayson) as group:
                    self.create_script_ui(script)
                script.group = group

    def create_script_ui(self, script: Script) -> None:
        """One script's controls. Where that fails the script has none."""
        script.args_from = script.args_to = len(self.inputs)
        wrap_call(self.create_script_ui_inner, script.filename, "ui", script)

    def create_script_ui_inner(self, script: Script) -> None:
        """One script's controls, and what the API says of them."""
        from modules.api import models

        controls = script.ui(script.is_img2img)
        script.controls = controls
        if controls is None:
            return
        script.name = wrap_call(script.title, script.filename, "title", default=script.filename).lower()
        script.api_info = models.ScriptInfo(
            name=script.name,
            is_alwayson=script.alwayson,
            is_img2img=script.is_img2img,
            args=[_describe(control) for control in controls],
        )
        self.infotext_fields += script.infotext_fields or []
        self.paste_field_names += script.paste_field_names or []
        self.inputs += controls
        script.args_to = len(self.inputs)

    def run(self, p: Any, *args: Any) -> Any:
        """Run the script that the first argument, its place in the dropdown, chooses. None where it chooses none."""
        index = args[0]
        if not index:
            return None
        script = self.selectable_scripts[index - 1]
        return script.run(p, *args[script.args_from : script.args_to])

    def before_process(self, p: Any) -> None:
        """See Script."""
        self._call("before_process", p)

    def process(self, p: Any) -> None:
        """See Script."""
        self._call("process", p)

    def before_process_batch(self, p: Any, **kwargs: Any) -> None:
        """See Script."""
        self._call("before_process_batch", p, **kwargs)

    def process_batch(self, p: Any, **kwargs: Any) -> None:
        """See Script."""
        self._call("process_batch", p, **kwargs)

    def process_before_every_sampling(self, p: Any, **kwargs: Any) -> None:
        """See Script."""
        self._call("process_before_every_sampling", p, **kwargs)

    def before_hr(self, p: Any) -> None:
        """See Script."""
        self._call("before_hr", p)

    def post_sample(self, p: Any, ps: PostSampleArgs) -> None:
        """See Script."""
        self._call("post_sample", p, ps)

    def postprocess_batch(self, p: Any, images: Any, **kwargs: Any) -> None:
        """See Script."""
        self._call("postprocess_batch", p, images=images, **kwargs)

    def postprocess_image(self, p: Any, pp: PostprocessImageArgs) -> None:
        """See Script."""
        self._call("postprocess_image", p, pp)

    def postprocess(self, p: Any, processed: Any) -> None:
        """See Script."""
        self._call("postprocess", p, processed)

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """Tell all scripts of a control that the page made."""
        for script in self.scripts:
            wrap_call(script.after_component, script.filename, "after_component", component, **kwargs)

    def _call(self, method: str, p: Any, *first: Any, **kwargs: Any) -> None:
        """Call one method of all always-on scripts, each with its own arguments."""
        for script in self.alwayson_scripts:
            args = p.script_args[script.args_from : script.args_to]
            wrap_call(getattr(script, method), script.filename, method, p, *first, *args, **kwargs)

    def _show_selected(self, script_index: int | None) -> Any:
        shown = [gr.update(visible=i == script_index) for i in range(1, len(self.selectable_scripts) + 1)]
        return shown if len(shown) > 1 else shown[0]


def _describe(control: Any) -> Any:
    """A control for the API's script-info."""
    from modules.api import models

    fields = {name: getattr(control, name, None) for name in ("value", "minimum", "maximum", "step")}
    choices = getattr(control, "choices", None)
    if choices is not None:
        fields["choices"] = [choice[0] if isinstance(choice, tuple) else choice for choice in choices]
    return models.ScriptArg(label=control.label or "", **fields)


scripts_txt2img = ScriptRunner()
scripts_img2img = ScriptRunner()
