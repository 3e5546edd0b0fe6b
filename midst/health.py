"""Three answers to three questions: alive (``/health``), ready (``/ready``), well (``/status``).

A restart helps against the first only, and a balancer asks the second: without Redis every replica
serves more slowly, so none may be taken out. People and monitoring ask the third.

The last two are answered from what this process found up to ``_OLD_S`` seconds ago, and say how
long ago that was: many probes ask the servers once a second, rare ones still get a fresh answer.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import cache as once

from django.core.cache import cache
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import resolve
from django.views.decorators.http import require_safe

ALIVE = b'{"status":"ok"}'
_TIMEOUT_MS = 2000
# Longer: what PostgreSQL ends by itself leaves its connection in use.
_PATIENCE_S = 3.0
# Probed more often, servers are asked once a second: no probe waits for that.
_FRESH_S = 1.0
# Probed less often than this, each probe waits for an answer of its own.
_OLD_S = 3.0
_PATHS = {"/health", "/ready", "/status"}


class ProbeMiddleware:
    """Answers health checks before any middleware looks at the host name or the scheme.

    A container's own probe asks for 127.0.0.1 and Kubernetes asks for the pod's address, over
    plain HTTP; neither is in ``ALLOWED_HOSTS``, and a redirect to HTTPS would not be followed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in _PATHS:
            return self.get_response(request)
        # Metrics and traces take the route's name from it.
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponseBase = match.func(request)
        return response


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; touches nothing else."""
    return HttpResponse(ALIVE, content_type="application/json")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when requests can be served, perhaps degraded; else 503.

    Body: ``{"status": "ok" | "degraded" | "unavailable", "checks": {name: "ok" | reason},
    "age_s": seconds since these checks ended}``.
    """
    found = _state()
    return found.answer(503 if found.status == "unavailable" else 200)


@require_safe
def status(request: HttpRequest) -> JsonResponse:
    """200 when nothing is missing, 503 also when degraded; the body is that of ``ready``."""
    found = _state()
    return found.answer(200 if found.status == "ok" else 503)


def forget() -> None:
    """Make the next probe ask the servers, whatever was found before."""
    global _found  # noqa: PLW0603
    with _lock:
        _found = None


@dataclass(frozen=True)
class _Found:
    """What the checks said, and when (``time.monotonic``, seconds)."""

    checks: dict[str, str]
    at: float

    @property
    def status(self) -> str:
        failed = {name for name, outcome in self.checks.items() if outcome != "ok"}
        if not failed:
            return "ok"
        return "unavailable" if failed & _NEEDED else "degraded"

    def answer(self, status: int) -> JsonResponse:
        age_s = round(time.monotonic() - self.at, 1)
        body = {"status": self.status, "checks": self.checks, "age_s": age_s}
        return JsonResponse(body, status=status)


_found: _Found | None = None
_asking: Future[_Found] | None = None
_lock = threading.Lock()


def _state() -> _Found:
    global _asking  # noqa: PLW0603
    with _lock:
        known = _found
        age_s = time.monotonic() - known.at if known else _OLD_S
        if known and age_s < _FRESH_S:
            return known
        if _asking is None or _asking.done():
            # What a probe waits for belongs to its request; what it only starts does not.
            context = copy_context() if age_s >= _OLD_S else Context()
            _asking = _asker().submit(context.run, _ask)
        asking = _asking
    return known if known and age_s < _OLD_S else asking.result()


def _ask() -> _Found:
    global _found  # noqa: PLW0603
    checks = {name: _run(check) for name, check in _CHECKS.items()}
    _found = _Found(checks, time.monotonic())
    return _found


@once
def _asker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="probe")


def _run(check: Callable[[], None]) -> str:
    """A probe must answer whatever fails; the class says what, the message may hold an address."""
    try:
        check()
    except Exception as error:
        return type(error).__name__
    return "ok"


def _database() -> None:
    _in_time(_ask_database)


def _ask_database() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(_TIMEOUT_MS)])
        cursor.fetchone()


def _cache() -> None:
    cache.get("ready")


def _in_time(check: Callable[[], None]) -> None:
    """Run a ``check`` of the database. Raises ``TimeoutError``, and what it raises.

    A server that stands still (its disk, its machine) ends no statement and closes no connection.
    One thread waits for it, however many probes come meanwhile.
    """
    # Its statements and spans belong to this request.
    running = _prober().submit(copy_context().run, _check_and_close, check)
    try:
        running.result(_PATIENCE_S)
    finally:
        running.cancel()


def _check_and_close(check: Callable[[], None]) -> None:
    try:
        check()
    finally:
        connection.close()


@once
def _prober() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="ready")


class PendingMigrations(Exception):
    """The code is newer than the database: run ``manage.py migrate``."""


_migrated = False


def _migrations() -> None:
    """Ask until the answer is yes: a running process can't gain a migration."""
    if not _migrated:
        _in_time(_look_for_migrations)


def _look_for_migrations() -> None:
    global _migrated  # noqa: PLW0603
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise PendingMigrations
    _migrated = True


# What no request can be served without.
_NEEDED = {"database", "migrations"}
_CHECKS = {"database": _database, "cache": _cache, "migrations": _migrations}
