"""The texts of pg_stat_statements, made readable for a parser and for PREPARE.

Constants are replaced there wherever they stand, also where the grammar takes no parameter.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from psycopg import sql
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

Name = tuple[str, str]
# A collector cuts longer texts: they can't be read any more.
_CUT_AT = 4000
_READS = re.compile(r"\s*(/\*.*?\*/\s*)*\(?\s*(select|with|update|delete)\b", re.I | re.S)
_QUOTED = r"""(?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*')"""
_TYPES = (
    r"interval|date|timestamptz|timestamp(?:\s+with(?:out)?\s+time\s+zone)?|timetz"
    r"|time(?:\s+with(?:out)?\s+time\s+zone)?|numeric|decimal|bool|boolean|int|integer|bigint"
    r"|smallint|real|text|varchar|uuid|jsonb?|inet|cidr|point"
)
# DATE $1 and INTERVAL $1 DAY; EXTRACT($1 FROM ...); $1, of which ($1,$2) has two.
_TYPED = re.compile(rf"{_QUOTED}|\b(?P<type>{_TYPES})\s*(?P<parameter>\$\d+)", re.I)
_EXTRACT = re.compile(rf"{_QUOTED}|\bEXTRACT\s*\(\s*\$\d+\s+FROM\b", re.I)
_PARAMETER = re.compile(rf"{_QUOTED}|\$(?P<number>\d+)(?![\w$])")
# The parser takes what stands between two dollars without a space for the tag of a text.
_CROWDED = re.compile(rf"{_QUOTED}|(?P<parameter>\$\d+)(?=[^\s\w$][^\s$]*\$)")


@dataclass(frozen=True, slots=True)
class Unreadable(Exception):
    """A statement that can't be judged; ``reason`` says why, in words that can be counted."""

    reason: str


def reads(text: str) -> bool:
    """Whether a text begins like a statement that looks for rows."""
    return _READS.match(text) is not None


def is_cut(text: str) -> bool:
    """Whether the end of a statement is missing, and with it perhaps a table's name."""
    return len(text) >= _CUT_AT


def readable(text: str) -> str:
    """Return ``text`` in a form that the parser and PREPARE take; its parameters count from 1.

    Which field EXTRACT takes is not known: any has the same plan.
    """

    def cast(match: re.Match[str]) -> str:
        return match["quoted"] or f"{match['parameter']}::{match['type']}"

    def epoch(match: re.Match[str]) -> str:
        return match["quoted"] or "EXTRACT(epoch FROM"

    def apart(match: re.Match[str]) -> str:
        return match["quoted"] or f"{match['parameter']} "

    changed = _TYPED.sub(cast, _EXTRACT.sub(epoch, text))
    numbers: dict[str, int] = {}

    def count(match: re.Match[str]) -> str:
        if match["quoted"]:
            return match["quoted"]
        return f"${numbers.setdefault(match['number'], len(numbers) + 1)}"

    if changed != text:
        changed = _PARAMETER.sub(count, changed)
    return _CROWDED.sub(apart, changed)


_NAMED = re.compile(
    r"""'(?:[^']|'')*'|(?<![\w".$])(?P<schema>"(?:[^"]|"")+"|[^\W\d][\w$]*)"""
    r"""\s*\.\s*(?P<name>"(?:[^"]|"")+"|[^\W\d][\w$]*)"""
)


def moved(text: str, names: Collection[Name], schema: str) -> str:
    """Return ``text`` with the tables and views ``names`` looked for in ``schema``, wherever it
    says where they are.
    """

    def move(match: re.Match[str]) -> str:
        if match["schema"] is None or (_bare(match["schema"]), _bare(match["name"])) not in names:
            return match.group()
        return f"{sql.Identifier(schema).as_string(None)}.{match['name']}"

    return _NAMED.sub(move, text)


def _bare(name: str) -> str:
    """Return an identifier as the catalog has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def parse(text: str) -> exp.Expression | None:
    """Return the syntax tree of a whole statement that reads tables, None for any other."""
    try:
        return tree_of(text)
    except Unreadable:
        return None


def tree_of(text: str) -> exp.Expression | None:
    """Return the syntax tree of a statement that reads tables; None for one that reads none.

    Raises ``Unreadable``.
    """
    if not reads(text):
        return None
    if is_cut(text):
        raise Unreadable("the text is cut")
    try:
        tree = parse_one(text, dialect="postgres")
    except (SqlglotError, RecursionError) as error:
        raise Unreadable("the text can't be parsed") from error
    kinds = exp.Select | exp.SetOperation | exp.Update | exp.Delete
    return tree if isinstance(tree, kinds) else None
