"""What may import what: the core knows nothing of a host."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted(path for path in (ROOT / "freeu").glob("*.py"))


def imports(path):
    """The top-level names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_torch_and_numpy_alone(path):
    outside = set(imports(path)) - set(sys.stdlib_module_names) - {"freeu"}
    assert outside <= {"torch", "numpy"}


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
