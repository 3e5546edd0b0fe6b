"""Where a function stands in its file, by its qualified name."""

import ast
from collections.abc import Iterable

Lines = tuple[int, int]
_Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def lines_of(source: str, function: str) -> Lines | None:
    """Return the first and last line of a function by its qualified name; None: not there."""
    node: ast.AST = ast.parse(source)
    found = None
    for name in function.split("."):
        if name == "<locals>":
            continue
        inner = next((each for each in _defined(node) if each.name == name), None)
        if inner is None:
            # A lambda or a generator is a part of what is around it.
            return found if name.startswith("<") else None
        node, found = inner, (_first(inner), inner.end_lineno or inner.lineno)
    return found


def _defined(node: ast.AST) -> Iterable[_Defined]:
    """Yield what is defined within, not within what is defined there."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, _Defined):
            yield each
        else:
            yield from _defined(each)


def _first(node: _Defined) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])
