"""Which module may import which, checked on the source text."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import freeu
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parent.parent
PACKAGES = ("freeu", "playground", "research")
STAND_IN_HOST = ROOT / "playground" / "webui"
"""The folder from which the modules of the playground's stand-in WebUI are imported."""

LAYERS = {
    "freeu.settings": {"freeu.settings"},
    "freeu.core": {"freeu.core", "freeu.settings.stage"},
    "freeu.atomic_file": set(),
    "freeu.user_presets": {"freeu.atomic_file", "freeu.settings"},
    "freeu.arguments": {"freeu.compat.ljleb", "freeu.settings"},
    "freeu.compat": {"freeu.compat", "freeu.settings"},
    "freeu.compat.request": {"freeu.arguments", "freeu.compat", "freeu.settings"},
    "freeu.compat.preset_import": {"freeu.compat", "freeu.user_presets"},
    "freeu.diagnostics": {"freeu.diagnostics", "freeu.core", "freeu.settings"},
    "freeu.cli": {"freeu.cli", "freeu.arguments", "freeu.compat", "freeu.settings", "freeu.tune"},
    "freeu.tune": {"freeu.tune", "freeu.arguments", "freeu.atomic_file", "freeu.settings"},
    "freeu.__main__": {"freeu.cli"},
    "freeu.webui": {
        "freeu.webui",
        "freeu.arguments",
        "freeu.compat",
        "freeu.core",
        "freeu.diagnostics",
        "freeu.settings",
        "freeu.user_presets",
    },
}
"""What each part of freeu may import from freeu at run time."""

LIBRARIES = {
    "freeu.core": {"torch", "numpy"},
    "freeu.user_presets": {"filelock"},
    "freeu.compat.metadata": {"PIL"},
    "freeu.diagnostics": {"torch"},
    "freeu.diagnostics.charts": {"matplotlib", "PIL"},
    "freeu.tune": {"httpx", "jinja2", "matplotlib", "numpy", "optuna", "optuna_dashboard", "PIL", "sqlalchemy", "tqdm"},
    "freeu.webui": {"torch", "numpy", "gradio", "fastapi", "modules"},
    "freeu.webui.api": {"fastapi", "starlette"},
}
"""The libraries that each part of freeu may import; a module that has an entry of its own needs only that one."""

LATE_IMPORTS = {
    ("freeu.settings.settings", "freeu.settings.presets"): "Settings.parse reads a preset's name; a preset is Settings",
    ("freeu.cli.main", "freeu.tune.main"): "its packages need not be installed",
    ("freeu.webui.diagnostics", "freeu.diagnostics.charts"): "matplotlib takes a second to import",
    ("playground.__main__", "playground.serve"): "uvicorn is slow to import",
    ("playground.serve", "playground.webui_host"): "gradio is slow to import, and `modules` must be importable first",
}
"""Imports of own modules that may stand inside a function, with the reason."""

CYCLE = ("freeu.settings.settings", "freeu.settings.presets")
"""The one import that may close a cycle."""


SHARED_BY_TESTS = {"tests.support", "tests.files"}


class Import(NamedTuple):
    """An import of `name`, a module or a name in a module."""

    name: str
    in_function: bool


def imports(path: Path) -> Iterator[Import]:
    """Yield the imports of a file that happen at run time: all but those under `if TYPE_CHECKING`."""
    yield from _imports(ast.parse(path.read_text("utf-8")), in_function=False)


def _imports(parent: ast.AST, in_function: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, in_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from (Import(f"{node.module}.{alias.name}", in_function) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from _imports(ast.Module(node.orelse, []), in_function)
        else:
            is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(node, in_function or is_function)


def module_name(path: Path) -> str:
    base = STAND_IN_HOST if path.is_relative_to(STAND_IN_HOST) else ROOT
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


MODULES = {module_name(path): path for package in PACKAGES for path in files_of(package)}
FREEU = [name for name in MODULES if name.split(".")[0] == "freeu" and name != "freeu"]


def own_module(name: str) -> str | None:
    """Return the module of this repository that an import reads; None for a library."""
    parent = name.rpartition(".")[0]
    return next((candidate for candidate in (name, parent) if candidate in MODULES), None)


def own_imports(module: str) -> set[str]:
    return {own for found in imports(MODULES[module]) if (own := own_module(found.name))}


def libraries(path: Path) -> set[str]:
    """Return the packages outside this repository and the standard library that a file imports."""
    packages = {found.name.split(".")[0] for found in imports(path)}
    return packages - set(sys.stdlib_module_names) - set(PACKAGES)


def most_specific(module: str, table: dict[str, set[str]]) -> set[str]:
    """Return the entry for a module, or for the closest package around it that has one."""
    while module and module not in table:
        module = module.rpartition(".")[0]
    return table.get(module, set())


def is_in(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def files_with(text: str, package: str = "freeu") -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in files_of(package) if text in path.read_text("utf-8").lower()}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_cycle(package):
    """Imports inside functions count, except for CYCLE."""
    modules = {module_name(path) for path in files_of(package)}
    graph = {module: {own for own in own_imports(module) & modules if (module, own) != CYCLE} for module in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("package", PACKAGES)
def test_few_imports_are_inside_functions(package):
    found = {
        (module_name(path), own)
        for path in files_of(package)
        for name, in_function in imports(path)
        if in_function and (own := own_module(name))
    }
    assert found == {(importer, own) for importer, own in LATE_IMPORTS if is_in(importer, {package})}


@pytest.mark.parametrize("module", FREEU)
def test_imports_point_one_way(module):
    allowed = {"modules"} | most_specific(module, LAYERS)  # the test of libraries covers the host
    assert {own for own in own_imports(module) if not is_in(own, allowed)} == set()


@pytest.mark.parametrize("module", FREEU)
def test_each_part_needs_only_its_libraries(module):
    """So settings need no torch, and only webui needs gradio, fastapi and a host's `modules`."""
    assert libraries(MODULES[module]) <= most_specific(module, LIBRARIES)


def test_only_its_tests_import_research():
    importers = {
        path.parent.relative_to(ROOT).as_posix()
        for folder in ("freeu", "playground", "benchmarks", "scripts", "tests")
        for path in files_of(folder)
        if any(found.name.split(".")[0] == "research" for found in imports(path))
    }
    assert importers == {"tests/research"}


def test_the_public_names_need_no_host_and_no_plots():
    loaded = loaded_modules("import freeu; [getattr(freeu, name) for name in freeu.__all__]")
    assert {"torch", "freeu.core.hooks"} <= loaded
    assert not loaded & {
        "gradio",
        "fastapi",
        "modules",
        "playground",
        "diffusers",
        "ldm",
        "matplotlib",
        "torch._dynamo",
    }
    assert not {name for name in loaded if is_in(name, {"freeu.webui", "freeu.cli"})}


def test_reading_settings_imports_no_torch_and_no_numpy():
    modules = [
        name for name in FREEU if is_in(name, {"freeu.settings", "freeu.compat", "freeu.cli", "freeu.user_presets"})
    ]
    assert not loaded_modules(f"import {', '.join(modules)}") & {"torch", "numpy", "PIL"}


def test_tune_works_without_torch():
    """optuna-dashboard imports torch if it is installed."""
    pytest.importorskip("optuna_dashboard", reason="the environment of Forge has no tune")
    modules = [name for name in FREEU if is_in(name, {"freeu.tune"})]
    code = f"import sys; sys.modules.update(torch=None, scipy=None); import {', '.join(modules)}"
    assert {*modules} <= loaded_modules(code)


def test_the_names_that_are_imported_later_are_those_for_type_checkers():
    """Type checkers see the imports under `if TYPE_CHECKING`. At run time, `__getattr__` does the same imports."""
    (for_types,) = (
        node for node in ast.parse((ROOT / "freeu" / "__init__.py").read_text("utf-8")).body if isinstance(node, ast.If)
    )
    imported = {found.name for found in _imports(ast.Module(for_types.body, []), in_function=False)}
    homes = {f"{module}.{name}" for name, module in freeu._HOMES.items()}
    assert imported == homes | {f"freeu.{name}" for name in freeu._SUBMODULES}


def test_every_public_name_is_there():
    assert set(dir(freeu)) == set(freeu.__all__) == {name for name in freeu.__all__ if hasattr(freeu, name)}
    assert not hasattr(freeu, "no_such_name")


def loaded_modules(code: str) -> set[str]:
    """Return the modules that a new process has loaded after running `code`."""
    command = [sys.executable, "-W", "ignore", "-c", f"{code}\nimport sys; print(*sys.modules)"]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=SECONDS)
    return set(found.stdout.split())


def test_loading_the_extension_loads_no_charts():
    """They need matplotlib, which takes a second to import."""
    loaded, found = set(), {"freeu.webui.script"}
    while new := found - loaded:
        loaded |= new
        names = [one.name for module in new for one in imports(MODULES[module]) if not one.in_function]
        found |= {own for name in names if (own := own_module(name))}
    assert "freeu.webui.diagnostics" in loaded
    assert "freeu.diagnostics.charts" not in loaded


def test_the_scripts_folder_has_one_script():
    """The WebUI loads every file of the folder, and every Script that it finds in one."""
    assert [path.name for path in (ROOT / "scripts").glob("*.py")] == ["freeu_script.py"]
    assert libraries(ROOT / "scripts" / "freeu_script.py") == set()


def test_three_files_import_the_host():
    files = {path.name for path in files_of("freeu") if "modules" in libraries(path)}
    assert files == {"host.py", "script.py", "controls.py"}


def test_only_host_py_reads_forge_objects():
    assert files_with("forge_objects") == {"freeu/webui/host.py"}


@pytest.mark.parametrize("text", ["gradio 3", "gradio 4", "gradio.context", "gradio.__version__", "gr.__version__"])
def test_only_gradio_compat_py_knows_versions_of_gradio(text):
    # The docstring of the package lists its files.
    assert files_with(text) - {"freeu/webui/__init__.py"} <= {"freeu/webui/gradio_compat.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_one_copy_of_atomic_writing(package):
    """The other `os.replace` renames a broken file of presets."""
    allowed = {"freeu/atomic_file.py", "freeu/user_presets.py"} if package == "freeu" else set()
    assert files_with("os.replace", package) | files_with("os.rename", package) == allowed
    assert sum((ROOT / name).read_text("utf-8").count("os.replace(") for name in allowed) == len(allowed)


@pytest.mark.parametrize(("package", "shared"), [("tests", SHARED_BY_TESTS), ("benchmarks", {"tests.support"})])
def test_no_test_is_imported(package, shared):
    """What several tests need is in tests/support, tests/files.py or a conftest.py; tests import no benchmark."""
    allowed = shared | ({"benchmarks"} if package == "benchmarks" else set())
    found = {own.name for path in files_of(package) for own in imports(path)}
    ours = {name for name in found if name.split(".")[0] in ("tests", "benchmarks")}
    assert ours
    assert {name for name in ours if not is_in(name, allowed)} == set()


def test_every_wait_of_a_test_has_a_limit():
    calls = [
        (f"{path.name}:{node.lineno}", node)
        for path in files_of("tests")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert {place for place, node in calls if waits_without_limit(node)} == set()


def waits_without_limit(call: ast.Call) -> bool:
    """Return True for calls such as `process.wait()`, and `subprocess.run` and `requests.get` without a timeout."""
    module, _, name = ast.unparse(call.func).rpartition(".")
    if module in ("subprocess", "requests") and name != "Popen":
        return "timeout" not in {keyword.arg for keyword in call.keywords}
    return name in ("wait", "join", "communicate") and not call.args and not call.keywords


@pytest.mark.parametrize("code", ["process.wait()", "subprocess.run([], check=True)", "requests.get(url)"])
def test_the_check_of_limits_sees_a_wait_without_one(code):
    assert waits_without_limit(ast.parse(code, mode="eval").body)


def test_no_fft():
    attributes = {
        node.attr
        for path in files_of("freeu")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert "vector_norm" in attributes
    assert not [name for name in attributes if "fft" in name]


def test_the_checks_see_imports_in_functions_and_not_those_for_types(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import a\nfrom b import c\nif TYPE_CHECKING:\n    import d\nelse:\n    import e\n"
        "class F:\n    def g(self):\n        try:\n            from h import i\n        finally:\n            pass\n"
    )
    assert set(imports(path)) == {("a", False), ("b.c", False), ("e", False), ("h.i", True)}
