"""Asking PostgreSQL how it would run a statement, or how it did."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.plans import explain
from perfops.database.connections import MARK
from perfops.indexes.relations import Name, nodes, read

# A quoted name may hold a dollar; a parameter stands outside of one.
_PARAMETER = re.compile(r'"(?:[^"]|"")*"|\$(\d+)')


@dataclass(frozen=True, slots=True)
class Plan:
    """``rows``: what the planner expects to come out; ``ms`` and ``blocks`` when it was run.

    ``relations``: the tables that are read, where it was not run.
    """

    cost: float
    rows: float
    indexes: frozenset[str]
    ms: float | None = None
    blocks: float | None = None
    relations: frozenset[Name] = frozenset()


def parameters_of(text: str) -> set[str]:
    """Return the numbers of the parameters in ``text``."""
    return {number for number in _PARAMETER.findall(text) if number}


def filled(text: str, parameters: Mapping[int, str]) -> str:
    """Return ``text`` with its ``$1`` replaced by quoted literals. Raises ``KeyError``."""

    def literal(match: re.Match[str]) -> str:
        number = match.group(1)
        if number is None:
            return match.group()
        return sql.Literal(parameters[int(number)]).as_string(None)

    return _PARAMETER.sub(literal, text)


def planned(cursor: CursorWrapper, text: str) -> Plan:
    """Return the plan of ``text``, which is not run. Raises ``django.db.DatabaseError``."""
    return _explain(cursor, "VERBOSE, FORMAT JSON", text)


def planned_generically(cursor: CursorWrapper, text: str) -> Plan:
    """Return the plan for unknown parameters. Raises ``perfops.analysis.plans.explain.NoPlan``."""
    return plan_of([explain.generic(cursor, text)])


def run(cursor: CursorWrapper, text: str) -> Plan:
    """Run ``text``, which must only read, and return its plan with ms and blocks touched."""
    return _explain(cursor, "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON", text)


def _explain(cursor: CursorWrapper, options: str, text: str) -> Plan:
    # Without parameters a % is a %.
    cursor.execute(f"{MARK} EXPLAIN ({options}) {text}", None)
    (answer,) = cursor.fetchone()
    return plan_of(json.loads(answer) if isinstance(answer, str) else answer)


def plan_of(answer: list[dict[str, Any]]) -> Plan:
    """Return what matters of EXPLAIN's JSON."""
    (whole,) = answer
    top = whole["Plan"]
    blocks = None
    if "Shared Hit Blocks" in top:
        blocks = float(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
    return Plan(
        cost=top["Total Cost"],
        rows=top["Plan Rows"],
        indexes=frozenset(node["Index Name"] for node in nodes(top) if "Index Name" in node),
        ms=whole.get("Execution Time"),
        blocks=blocks,
        relations=read(top),
    )
