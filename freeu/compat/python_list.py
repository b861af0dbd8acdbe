"""A list in the text of a Python program, read without running or parsing the program.

`ast.parse` is not used on such a text: in Python 3.10, some thousand operators in a row (`1+1+1+...`, `a.b.b...`)
overflow the stack and end the process. Here only brackets nest, and their depth is limited.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from typing import Any

MAX_DEPTH = 4
"""Brackets in brackets: a list of tuples in the parentheses of a call, and one to spare."""

_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_BRACKETS = {"(": 1, "[": 1, ")": -1, "]": -1}

Tokens = Sequence[tokenize.TokenInfo]


def python_list(text: str, name: str) -> list[Any]:
    """Return the list `name` after `name = [...]`, `name += [...]`, `name.extend([...])` and `name.append(...)`.

    These must be statements outside of any block, and their values texts, numbers, lists and tuples. Raises ValueError
    for any other use of `name`, and SyntaxError or tokenize.TokenError for a text that is not Python.
    """
    values: list[Any] | None = None
    for statement in _statements(text):
        words = [token.string for token in statement]
        if name not in words:
            continue
        # A statement in a block does not begin in the first column.
        begin = "".join(words[: 4 if words[1:2] == ["."] else 2]) if statement[0].start[1] == 0 else ""
        if begin == f"{name}=":
            values = _list(statement[2:])
        elif values is not None and begin == f"{name}+=":
            values += _list(statement[2:])
        elif values is not None and begin == f"{name}.extend(":
            values += _list(statement[3:])
        elif values is not None and begin == f"{name}.append(":
            values.append(_literal(statement[3:]))
        else:
            line = statement[0].start[0]
            raise ValueError(f"line {line} must be {name} = [...], and after it +=, .append(...) or .extend([...])")
    if values is None:
        raise ValueError(f"{name} is not assigned")
    return values


def _statements(text: str) -> Iterator[Tokens]:
    """Yield the tokens of each logical line."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            yield statement
            statement = []
        elif token.type not in _LAYOUT:
            statement.append(token)


def _list(tokens: Tokens) -> list[Any]:
    value = _literal(tokens)
    if not isinstance(value, (list, tuple)):
        raise ValueError("the value is not a list")
    return list(value)


def _literal(tokens: Tokens) -> Any:
    """Return the value of texts, numbers, lists and tuples. Raises ValueError for anything else."""
    depth, before = 0, "("
    for token in tokens:
        word = token.string
        depth += _BRACKETS.get(word, 0)
        is_text = token.type == tokenize.STRING and word[0] in "\"'"
        is_sign = word in ("-", "+") and before in ("(", "[", ",")
        is_value = is_text or is_sign or token.type == tokenize.NUMBER
        if depth > MAX_DEPTH or not (is_value or word in _BRACKETS or word == ","):
            raise ValueError(f"line {token.start[0]} must hold only texts, numbers, lists and tuples")
        before = word
    return ast.literal_eval(" ".join(token.string for token in tokens))
