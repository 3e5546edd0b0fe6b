"""What a request of a route costs, and the committed file of it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from perfops.budgets.deterministic import steps


class UnusableBaseline(ValueError):
    """The file of counts can't be used; the message says why, and what to do."""


class StatementCalls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One statement of a request: how often it is sent, and from where ("file:line function").

    ``blocks``: that all its calls touch; ``indexes``: of which it touches some. ``through``: the
    project's files that the call came through, innermost first; not in the file of counts.
    """

    text: str
    calls: int
    line: str = ""
    blocks: int = 0
    indexes: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the costliest of the ``paths`` of a route costs.

    ``rows``: read or written. ``blocks``: of 8 kB, in memory or not; None where they can't be
    counted. ``bytes``: of the body. ``tables``: those that it names, with their rows. ``again``:
    statements of a second request just after, which a cache may answer. ``steps``: instructions
    that Python executes, most of them in ``functions``. Not in the file of counts: ``sent_again``,
    what makes up ``again``; ``executed``, the project's files of which something was executed, and
    ``called``, the functions ("file function");
    ``region``, the part of the cache that was asked for the answer, and the file that declares it.
    """

    paths: tuple[str, ...]
    status: int
    statements: int
    rows: int
    bytes: int
    blocks: int | None
    sent: tuple[StatementCalls, ...]
    tables: dict[str, int]
    again: int | None = None
    steps: int | None = None
    functions: dict[str, int] = {}
    sent_again: tuple[StatementCalls, ...] = ()
    executed: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    region: str = ""
    declared_in: str = ""


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The committed file."""

    routes: dict[str, Counts]
    version: Literal[1] = 1
    # That executed the ``steps``, such as 3.13; "" in a file without.
    python: str = ""


def read(content: bytes) -> Baseline:
    """Return the baseline of a file. Raises ``UnusableBaseline``."""
    try:
        return msgspec.json.decode(content, type=Baseline)
    except msgspec.DecodeError as error:
        raise UnusableBaseline(
            f"it is no file of counts: {error}. Write it with --update"
        ) from error


def written(routes: Mapping[str, Counts]) -> bytes:
    """Return the file for ``routes``, with a line for each value: changes can be read."""
    ordered = Baseline(
        {name: _as_written(routes[name]) for name in sorted(routes)}, python=steps.VERSION
    )
    return msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n"


def _as_written(counts: Counts) -> Counts:
    sent = tuple(msgspec.structs.replace(each, through=()) for each in counts.sent)
    return msgspec.structs.replace(
        counts, sent=sent, sent_again=(), executed=(), called=(), region="", declared_in=""
    )
