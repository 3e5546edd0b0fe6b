"""The edit of a model's file that belongs to a written migration, as a diff.

Without it the next ``makemigrations`` undoes the migration: models say what indexes there are.
"""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from django.db.models import Model

from perfops.indexes.declaration import NotDjangos

_MODELS = "from django.db import models"
# Where a text is put in: offset of the byte, bytes that it replaces, new text.
type _Change = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class ModelEdit:
    """The file ``path`` of ``model`` (app.Model) from ``before`` to ``after``.

    ``line``: the first line that changes, from 1.
    """

    path: Path
    model: str
    before: str
    after: str
    line: int

    @property
    def diff(self) -> str:
        """Return the edit as ``git apply`` and ``patch -p1`` take it, from the working folder."""
        here = Path.cwd()
        name = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        before, after = (
            f"{text.rstrip()}\n".splitlines(keepends=True) for text in (self.before, self.after)
        )
        return "".join(unified_diff(before, after, f"a/{name}", f"b/{name}"))


def declare(model: type[Model], meta: str) -> ModelEdit:
    """Return the edit that puts an index into ``model``. Raises ``NotDjangos`` with the reason.

    ``meta``: the imports it needs, a line each, and the entry with its comma as the last line.
    """
    *imports, entry = meta.splitlines()
    file = _File(model)
    added = [file.entry(entry.rstrip(","))]
    return file.changed([*file.imports([_MODELS, *imports]), *added])


def undeclare(model: type[Model], name: str) -> ModelEdit:
    """Return the edit that takes the index ``name`` out. Raises ``NotDjangos`` with the reason."""
    file = _File(model)
    return file.changed([file.without(name)])


class _File:
    """The file of a model, and the parts of it that matter."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        try:
            self.path = Path(inspect.getfile(model))
            self.text = self.path.read_text(encoding="utf-8")
            self.tree = ast.parse(self.text)
        except (OSError, TypeError, ValueError, SyntaxError) as error:
            raise NotDjangos(f"the file of {model._meta.label} can't be read: {error}") from error
        self.source = f"{self.text.rstrip()}\n".encode()
        self.starts = [0]
        for line in self.source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ClassDef) and node.name == model.__name__
        ]
        if len(found) != 1:
            raise NotDjangos(f"{self.path} has not one class {model.__name__}")
        self.node = found[0]

    def changed(self, changes: list[_Change]) -> ModelEdit:
        """Return the edit; what it leaves is read again, so that a wrong one is never shown."""
        source = self.source
        for at, length, text in sorted(changes, reverse=True):
            source = source[:at] + text.encode() + source[at + length :]
        after = source.decode()
        try:
            ast.parse(after)
        except SyntaxError as error:
            raise NotDjangos(f"{self.path} has a form that is not known here") from error
        line = self.source[: max(at for at, *_ in changes)].count(b"\n") + 1
        return ModelEdit(self.path, self.model._meta.label, self.text, after, line)

    def imports(self, wanted: list[str]) -> list[_Change]:
        """Return what puts those of ``wanted`` in that the file lacks, after its last import."""
        body = self.tree.body
        there = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        have = {
            ast.unparse(type(node)(**{**vars(node), "names": [name]}))
            for node in there
            for name in node.names
        }
        lacking = [each for each in wanted if each not in have]
        # Before the first statement that is neither a docstring nor an import from __future__.
        at = self._after(there[-1]) if there else self._start(body[0])
        return [(at, 0, "".join(f"{each}\n" for each in lacking))] if lacking else []

    def entry(self, entry: str) -> _Change:
        meta = self._meta()
        if meta is None:
            return self._new_meta(entry)
        declared = _assigned(meta)
        if declared is None:
            has_more = meta.bases and self.model._meta.indexes
            inherited = f"*{ast.unparse(meta.bases[0])}.indexes, " if has_more else ""
            pad = " " * meta.body[0].col_offset
            line = f"{pad}indexes = [\n{pad}    {inherited}{entry},\n{pad}]\n"
            return (self._after(meta.body[-1]), 0, line)
        if declared.elts:
            pad = " " * declared.elts[-1].col_offset
            return (self._end(declared.elts[-1]), 0, f",\n{pad}{entry}")
        pad = " " * meta.body[0].col_offset
        whole = self._end(declared) - self._begin(declared)
        return (self._begin(declared), whole, f"[\n{pad}    {entry},\n{pad}]")

    def without(self, name: str) -> _Change:
        meta = self._meta()
        declared = _assigned(meta) if meta else None
        for node in declared.elts if declared else ():
            if name in _named(node):
                begin, end = self._begin(node), self._end(node)
                rest = self.source[end:]
                comma = len(rest) - len(rest.lstrip())
                is_followed = rest[comma : comma + 1] == b","
                end += comma + 1 if is_followed else 0
                return (begin, end - begin, "")
        raise NotDjangos(f"{name} is not written out in {self.model._meta.label}.Meta.indexes")

    def _meta(self) -> ast.ClassDef | None:
        its = (node for node in self.node.body if isinstance(node, ast.ClassDef))
        return next((node for node in its if node.name == "Meta"), None)

    def _new_meta(self, entry: str) -> _Change:
        """Meta stands after the fields; that of abstract parents is inherited, not replaced."""
        pad = " " * self.node.body[0].col_offset
        bases = (
            f"{ast.unparse(node)}.Meta"
            for node, base in zip(self.node.bases, self.model.__bases__, strict=False)
            if hasattr(base, "Meta")
        )
        base = next(bases, "")
        head = f"class Meta({base})" if base else "class Meta"
        inherited = f"*{base}.indexes, " if base and self.model._meta.indexes else ""
        text = f"{pad}{head}:\n{pad}    indexes = [\n{pad}        {inherited}{entry},\n{pad}    ]\n"
        methods = ast.FunctionDef | ast.AsyncFunctionDef
        fields = [node for node in self.node.body if not isinstance(node, methods)]
        if fields:
            return (self._after(fields[-1]), 0, f"\n{text}")
        return (self._start(self.node.body[0]), 0, f"{text}\n")

    def _start(self, node: ast.stmt) -> int:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        return self.starts[min([node.lineno, *(each.lineno for each in decorators)]) - 1]

    def _after(self, node: ast.stmt) -> int:
        return self.starts[node.end_lineno or node.lineno]

    def _begin(self, node: ast.expr) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr) -> int:
        return self.starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)


def _assigned(meta: ast.ClassDef) -> ast.List | ast.Tuple | None:
    """Return the list that is given to ``indexes``. Raises ``NotDjangos`` where it is none."""
    for node in meta.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "indexes" for target in node.targets
        ):
            if isinstance(node.value, ast.List | ast.Tuple):
                return node.value
            raise NotDjangos("Meta.indexes is not written as a list")
    return None


def _named(node: ast.expr) -> Iterator[object]:
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg == "name":
            yield getattr(each.value, "value", None)
