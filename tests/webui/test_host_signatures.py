"""The small host has the names and parameters of a real WebUI. Point FREEU_WEBUI_DIR at one to check."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import NamedTuple

import pytest

REAL = os.environ.get("FREEU_WEBUI_DIR")
OURS = Path(__file__).parent.parent.parent / "playground" / "webui"
FILES = [
    path.relative_to(OURS)
    for folder in ("modules", "modules/api", "scripts")
    for path in sorted((OURS / folder).glob("*.py"))
    if not path.name.startswith("_")
]

pytestmark = pytest.mark.skipif(not REAL, reason="FREEU_WEBUI_DIR names no checkout of a WebUI")

# Where one of them is a class and the other makes a class at run time.
BUILT_DIFFERENTLY = {"InputAccordion", "SamplerData"}

# What only the host itself calls.
OF_THE_HOST = {"Options.__init__"}


class Parameters(NamedTuple):
    """Names in order; `open_ended` where there is a *args or **kwargs; `required` are those without default."""

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
    """Methods, and attributes as None, of a class and its bases in the same file."""
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
    mine, theirs = parameters(ours), parameters(real)
    found = []
    if theirs.names[: len(mine.names)] != mine.names and not theirs.open_ended:
        found.append(f"{name}{tuple(mine.names)} is {tuple(theirs.names)}")
    left_out = (set(theirs.names) | set(theirs.keywords)) - set(mine.names) - set(mine.keywords)
    if needed := left_out & theirs.required:
        found.append(f"{name} needs {sorted(needed)}")
    if unknown := set(mine.keywords) - set(theirs.keywords) - set(theirs.names):
        found.append(f"{name} has no {sorted(unknown)}")
    return found


def public(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    named = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [node for node in named if not node.name.startswith("_")]


def compare_class(ours: ast.Module, real: ast.Module, mine: ast.ClassDef, theirs: ast.ClassDef) -> list[str]:
    there = members(real, theirs)
    found = []
    for name, method in members(ours, mine).items():
        label = f"{mine.name}.{name}"
        if (name.startswith("_") and name != "__init__") or label in OF_THE_HOST:
            continue
        counterpart = there.get(name)
        if name not in there:
            found += [] if name == "__init__" else [f"{label} does not exist"]
        elif method is not None and counterpart is not None:
            found += differences(label, method, counterpart)
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_public_names_are_the_real_hosts(path: Path) -> None:
    there = Path(REAL or "") / path
    assert there.exists(), f"there is no {path}"
    ours, real = (ast.parse((root / path).read_text(encoding="utf8")) for root in (OURS, Path(REAL or "")))
    known = {node.name: node for node in real.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    variables = {name for node in real.body for name in assigned(node)}
    found = []
    for mine in public(ours.body):
        theirs = known.get(mine.name)
        if mine.name in BUILT_DIFFERENTLY and mine.name in {*known, *variables}:
            continue
        if theirs is None:
            found += [] if mine.name in variables else [f"{mine.name} does not exist"]
        elif isinstance(mine, ast.FunctionDef) and isinstance(theirs, ast.FunctionDef):
            found += differences(mine.name, mine, theirs)
        elif isinstance(mine, ast.ClassDef) and isinstance(theirs, ast.ClassDef):
            found += compare_class(ours, real, mine, theirs)
        else:
            found.append(f"{mine.name} is another kind of thing")
    assert not found, "\n".join(found)
