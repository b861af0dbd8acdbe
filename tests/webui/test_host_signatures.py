"""The stand-in WebUI has the names and parameters of AUTOMATIC1111's. FREEU_WEBUI_DIR is the folder of a checkout."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import NamedTuple

import pytest

REAL = os.environ.get("FREEU_WEBUI_DIR")
STAND_IN = Path(__file__).parent.parent.parent / "playground" / "webui"
FILES = [
    path.relative_to(STAND_IN)
    for folder in ("modules", "modules/api", "scripts")
    for path in sorted((STAND_IN / folder).glob("*.py"))
    if not path.name.startswith("_")
]

pytestmark = pytest.mark.skipif(not REAL, reason="FREEU_WEBUI_DIR is not set")

# A class here that is built at run time there, or the other way round.
BUILT_DIFFERENTLY = {"InputAccordion", "SamplerData"}

# Called by the WebUI only.
INTERNAL = {"Options.__init__"}


class Parameters(NamedTuple):
    """Parameters of a function. `open_ended` is True if there is *args or **kwargs."""

    names: list[str]
    keywords: list[str]
    required: set[str]
    open_ended: bool


def parameters(function: ast.FunctionDef) -> Parameters:
    args = function.args
    names = [arg.arg for arg in (*args.posonlyargs, *args.args)]
    keywords = [arg.arg for arg in args.kwonlyargs]
    with_default = names[len(names) - len(args.defaults) :]
    with_default += [name for name, default in zip(keywords, args.kw_defaults, strict=True) if default is not None]
    return Parameters(names, keywords, {*names, *keywords} - set(with_default), bool(args.vararg or args.kwarg))


def assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    found = [element for target in targets for element in getattr(target, "elts", [target])]
    return [element.id for element in found if isinstance(element, ast.Name)]


def members(module: ast.Module, owner: ast.ClassDef) -> dict[str, ast.FunctionDef | None]:
    """Return the methods, and the attributes as None, of a class and its bases in the same file."""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    result: dict[str, ast.FunctionDef | None] = {}
    for base in owner.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            result.update(members(module, classes[base.id]))
    for node in owner.body:
        if isinstance(node, ast.FunctionDef):
            result[node.name] = node
            stored = [s for s in ast.walk(node) if isinstance(s, ast.Attribute) and isinstance(s.ctx, ast.Store)]
            result.update({s.attr: None for s in stored if ast.unparse(s.value) == "self" and s.attr not in result})
        result.update(dict.fromkeys(assigned(node)))
    return result


def differences(name: str, ours: ast.FunctionDef, real: ast.FunctionDef) -> list[str]:
    here, there = parameters(ours), parameters(real)
    found = []
    if there.names[: len(here.names)] != here.names and not there.open_ended:
        found.append(f"{name}{tuple(here.names)} is {tuple(there.names)}")
    missing = (set(there.names) | set(there.keywords)) - set(here.names) - set(here.keywords)
    if required := missing & there.required:
        found.append(f"{name} needs {sorted(required)}")
    if unknown := set(here.keywords) - set(there.keywords) - set(there.names):
        found.append(f"{name} has no {sorted(unknown)}")
    return found


def public(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    named = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [node for node in named if not node.name.startswith("_")]


def class_differences(
    our_module: ast.Module, real_module: ast.Module, ours: ast.ClassDef, real: ast.ClassDef
) -> list[str]:
    real_members = members(real_module, real)
    found = []
    for name, method in members(our_module, ours).items():
        label = f"{ours.name}.{name}"
        if (name.startswith("_") and name != "__init__") or label in INTERNAL:
            continue
        counterpart = real_members.get(name)
        if name not in real_members:
            found += [] if name == "__init__" else [f"{label} does not exist"]
        elif method is not None and counterpart is not None:
            found += differences(label, method, counterpart)
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_public_names_exist_in_the_real_webui(path: Path) -> None:
    assert (Path(REAL or "") / path).exists()
    our_module, real_module = (
        ast.parse((root / path).read_text(encoding="utf8")) for root in (STAND_IN, Path(REAL or ""))
    )
    known = {node.name: node for node in real_module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    variables = {name for node in real_module.body for name in assigned(node)}
    found = []
    for ours in public(our_module.body):
        real = known.get(ours.name)
        if ours.name in BUILT_DIFFERENTLY and ours.name in {*known, *variables}:
            continue
        if real is None:
            found += [] if ours.name in variables else [f"{ours.name} does not exist"]
        elif isinstance(ours, ast.FunctionDef) and isinstance(real, ast.FunctionDef):
            found += differences(ours.name, ours, real)
        elif isinstance(ours, ast.ClassDef) and isinstance(real, ast.ClassDef):
            found += class_differences(our_module, real_module, ours, real)
        else:
            found.append(f"{ours.name} must be a {type(real).__name__}, got a {type(ours).__name__}")
    assert not found, "\n".join(found)
