"""What may import what: the core knows nothing of a host."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "freeu").glob("*.py"))
CLI = sorted((ROOT / "freeu" / "cli").glob("*.py"))
GLUE = sorted((ROOT / "freeu" / "webui").glob("*.py"))


def imports(path):
    """The names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(path):
    """The packages that are not Python's own which a file imports."""
    return {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_torch_and_numpy_alone(path):
    assert packages(path) <= {"torch", "numpy", "freeu"}
    assert not [name for name in imports(path) if name.startswith("freeu.webui")]


@pytest.mark.parametrize("path", CLI, ids=lambda path: path.name)
def test_the_command_line_needs_nothing_but_pillow_and_no_host(path):
    assert packages(path) <= ({"PIL", "freeu"} if path.name == "pictures.py" else {"freeu"})
    assert {name for name in imports(path) if name.startswith("freeu.webui")} <= {"freeu.webui.arguments"}
    assert packages(ROOT / "freeu" / "webui" / "arguments.py") == {"freeu"}


@pytest.mark.parametrize("path", GLUE, ids=lambda path: path.name)
def test_the_extension_imports_what_a_webui_brings(path):
    drawing = {"look.py": {"numpy"}, "look_plot.py": {"matplotlib", "PIL"}}
    assert packages(path) <= {"torch", "gradio", "fastapi", "modules", "freeu"} | drawing.get(path.name, set())


def test_few_files_know_the_host():
    assert {path.name for path in GLUE if "modules" in packages(path)} == {"host.py", "script.py", "controls.py"}


def test_the_door_holds_one_script():
    """The WebUI loads every file of the folder, and every Script that it finds in one."""
    assert [path.name for path in (ROOT / "scripts").glob("*.py")] == ["freeu_script.py"]
    assert packages(ROOT / "scripts" / "freeu_script.py") == {"freeu"}


def test_importing_the_core_brings_no_host_along():
    code = "import freeu, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "freeu.session" in loaded.split()
    assert not {"gradio", "modules", "playground", "diffusers", "ldm"} & set(loaded.split())


def test_there_is_no_fourier_transform_in_the_core():
    names = {
        node.attr
        for path in CORE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert "baddbmm_" in names
    assert not [name for name in names if "fft" in name]
