"""Counting what requests cost: through Django's own test client, in this process, by GET only.

The same code over the same rows sends the same statements, however busy the machine is: no load
and no statistics are needed.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

import msgspec
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import Error, connections
from django.test import Client
from psycopg import sql as pgsql

from perfops.budgets.deterministic import steps
from perfops.budgets.deterministic.blocks import touched
from perfops.budgets.deterministic.counts import Counts, StatementCalls
from perfops.conf import conf
from perfops.formatting import cut
from perfops.load.routes import Listed
from perfops.origins.callers import caller, site_of, stack_of
from perfops.origins.outside import template_of, view_of
from perfops.origins.wrapper import uncounted

# Different paths of one route that are asked for, and how often each: what one of two requests
# did not need (a process that warms up) is no cost of the route.
_PATHS, _TIMES = 3, 2
# Of a request, its instructions vary by 3% where a list grows or a buffer is filled: the least of
# so many requests by a thousandth.
_STEPS_TIMES = 3
# A list of values has as many parameters as there are values.
_LISTS = re.compile(r"(?<=\()%s(?:, ?%s)+(?=\))")
_TABLES = re.compile(r'"((?:[^"]|"")+)"')
_LONGEST = 300


@dataclass(slots=True)
class _Recorder:
    """Counts the statements of one request on every PostgreSQL connection."""

    rows: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    lines: dict[str, str] = field(default_factory=dict)
    through: dict[str, tuple[str, ...]] = field(default_factory=dict)
    blocks: Counter[str] = field(default_factory=Counter)
    indexes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    is_whole: bool = True

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        text = sql.as_string(None) if isinstance(sql, pgsql.Composable) else str(sql)
        cursor = context["cursor"].cursor
        with touched(context["connection"], cursor, text) as its:
            result = execute(sql, params, many, context)
        text = cut(_LISTS.sub("%s, ...", text), _LONGEST)
        self.calls[text] += 1
        self.rows += max(0, cursor.rowcount)
        self.is_whole &= its.blocks is not None
        self.blocks[text] += its.blocks or 0
        self.indexes[text] |= its.indexes
        if text not in self.lines:
            here = sys._getframe(1)
            frame = caller(here)
            template = template_of(here, until=frame)
            self.lines[text] = " ".join(template if template.line else site_of(frame)).strip()
            frames = [self.lines[text], *stack_of(frame).splitlines()]
            self.through[text] = tuple(dict.fromkeys(f.partition(":")[0] for f in frames if f))
        return result


# Of all users so many are named where there is no such one.
_NAMED = 5


@contextmanager
def client_of(user: str) -> Iterator[Client]:
    """Yield a client, logged in as ``user`` where one is named; its session ends with the block.

    Raises ``LookupError`` when there is no such user.
    """
    host = next((h for h in settings.ALLOWED_HOSTS if not h.startswith((".", "*"))), "localhost")
    client = Client(raise_request_exception=False, SERVER_NAME=host)
    if not user:
        yield client
        return
    model = get_user_model()
    users = model._default_manager
    found = users.filter(**{model.USERNAME_FIELD: user}).first()
    if found is None:
        newest = users.order_by("-pk").values_list(model.USERNAME_FIELD, flat=True)[:_NAMED]
        known = ", ".join(map(str, newest)) or "none yet"
        raise LookupError(f"There is no user {user!r}; the newest are: {known}.")
    client.force_login(found)
    try:
        yield client
    finally:
        client.logout()


def count(routes: Sequence[Listed], client: Client) -> dict[str, Counts]:
    """Return what each route costs, by its name. Sends a few requests to each."""
    before = _before()
    return {each.name: _of_route(each, client, before) for each in routes}


def _before() -> Callable[[], object]:
    """Return what the project does before each counted request, such as emptying a cache."""
    name = conf().BEFORE_COUNTED_REQUEST
    found: Callable[[], object] = resolve_name(name) if name else lambda: None
    return found


def _of_route(route: Listed, client: Client, before: Callable[[], object]) -> Counts:
    paths = route.paths[:_PATHS]
    with ExitStack() as stack:
        for alias in _aliases():
            # What this sends is no traffic. A database that is away may not be needed.
            with suppress(Error):
                connections[alias].ensure_connection()
            stack.enter_context(uncounted(connections[alias]))
        client.get(paths[0], secure=True)
        found = [
            min((_of_request(path, client, before) for _ in range(_TIMES)), key=_cost)
            for path in paths
        ]
    costliest = max(found, key=_cost)
    names = {name for each in found for sent in each.sent for name in _TABLES.findall(sent.text)}
    tables = _rows_of(names)
    again = _again(costliest.paths[0], client, before)
    its = _steps(costliest.paths[0], client, before)
    whole, executed = its.total(), steps.of_project(its)
    return msgspec.structs.replace(
        costliest,
        paths=paths,
        tables=tables,
        again=again.statements,
        sent_again=again.sent,
        region=again.region,
        declared_in=again.declared_in,
        steps=whole or None,
        functions={name: n for name, n in its.most_common() if n >= whole * steps.SHARE},
        executed=tuple(sorted(executed)),
        called=tuple(sorted(name for name in its if name.partition(" ")[0] in executed)),
    )


def _again(path: str, client: Client, before: Callable[[], object]) -> Counts:
    """Return what the second of two equal requests costs, which a cache may answer."""
    found = []
    for _ in range(_TIMES):
        before()
        client.get(path, secure=True)
        found.append(_of_request(path, client, lambda: None))
    return min(found, key=_cost)


def _steps(path: str, client: Client, before: Callable[[], object]) -> Counter[str]:
    found = []
    for _ in range(_STEPS_TIMES):
        before()
        with steps.counting() as its:
            response = client.get(path, secure=True)
            if response.streaming:
                b"".join(response)
        found.append(its)
    return min(found, key=Counter.total)


def _cost(counts: Counts) -> tuple[int, int, int, int]:
    return counts.statements, counts.rows, counts.blocks or 0, counts.bytes


def _of_request(path: str, client: Client, before: Callable[[], object]) -> Counts:
    before()
    recorder = _Recorder()
    with ExitStack() as stack:
        for alias in _aliases():
            stack.enter_context(connections[alias].execute_wrapper(recorder))
        response = client.get(path, secure=True)
        size = len(b"".join(response)) if response.streaming else len(response.content)
    view = " ".join(view_of(response.wsgi_request)) if recorder.calls else ""
    region, declared_in = _region_of(response)
    return Counts(
        paths=(path,),
        status=response.status_code,
        statements=recorder.calls.total(),
        rows=recorder.rows,
        bytes=size,
        blocks=recorder.blocks.total() if recorder.is_whole else None,
        sent=tuple(
            StatementCalls(
                text, calls, recorder.lines[text] or view, recorder.blocks[text],
                tuple(sorted(recorder.indexes[text])), recorder.through[text],
            )
            for text, calls in recorder.calls.most_common()
        ),
        tables={},
        region=region,
        declared_in=declared_in,
    )  # fmt: skip


def _region_of(response: Any) -> tuple[str, str]:
    """Return the part of the project's cache that was asked for the answer, and its file."""
    name = conf().CACHE_REGION_OF
    found: tuple[str, str] | None = resolve_name(name)(response) if name else None
    return found or ("", "")


def _aliases() -> list[str]:
    return [alias for alias in connections if connections[alias].vendor == "postgresql"]


def _rows_of(names: set[str]) -> dict[str, int]:
    """Return how many rows each model's table among ``names`` has."""
    models = {m._meta.db_table: m for m in apps.get_models(include_auto_created=True)}
    return {n: models[n]._default_manager.count() for n in sorted(names & models.keys())}
