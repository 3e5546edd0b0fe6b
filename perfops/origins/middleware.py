"""The scope of a request, from its first middleware to the last byte of a stream."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any

from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from perfops.conf import conf
from perfops.origins import flushing, scope
from perfops.origins.outside import view_of
from perfops.origins.runs import run_of
from perfops.origins.scope import Scope, current

# What a project puts first in settings.MIDDLEWARE.
PATH = f"{__name__}.origin_middleware"
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CONVERTER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")


@lru_cache(maxsize=2048)
def template(route: str) -> str:
    """Return Django's ``route`` as a URL template: ``api/<uuid:id>`` becomes ``/api/{id}``."""
    text = replace_metacharacters(replace_named_groups(route))
    return "/" + _CONVERTER.sub(r"{\1}", text).lstrip("/")


def name(request: HttpRequest) -> str:
    """Return method and route; no part of it comes from a client."""
    match = request.resolver_match
    method = request.method if request.method in _METHODS else "other"
    return f"{method} {template(match.route) if match else UNMATCHED}"[:300]


def count_silent(baggage: str, method: str, route: str) -> None:
    """Count a request that a server answered without Django, and so without a statement.

    Only for the load run that its ``baggage`` names, if it does. ``route``: Django's pattern.
    """
    run = run_of(baggage) if conf().ORIGINS else 0
    if run:
        flushing.begin()
        scope.finish(Scope("request", lambda: f"{method} {template(route)}"[:300], run=run))


def _scope(request: HttpRequest, task: "asyncio.Task[object] | None" = None) -> Scope:
    # Now: a middleware may take the header off.
    run = run_of(request.META.get("HTTP_BAGGAGE", "")) if conf().ORIGINS else 0
    if run:
        # Counted also where this process never sends a statement.
        flushing.begin()
    return Scope("request", lambda: name(request), task, lambda: view_of(request), run)


@sync_and_async_middleware
def origin_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Count what a request asks of the database under its route."""
    if iscoroutinefunction(get_response):
        return _asynchronous(get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        ours = _scope(request)
        token = scope.begin(ours)
        streaming = False
        try:
            response: Any = get_response(request)
            streaming = response.streaming
            if streaming:
                response.streaming_content = _stream(ours, response.streaming_content)
            return response  # type: ignore[no-any-return]
        finally:
            current.reset(token)
            if not streaming:
                scope.finish(ours)

    return middleware


def _asynchronous(
    get_response: Callable[[HttpRequest], Awaitable[Any]],
) -> Callable[[HttpRequest], Awaitable[Any]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        ours = _scope(request, asyncio.current_task())
        token = scope.begin(ours)
        streaming = False
        try:
            response: Any = await get_response(request)
            streaming = response.streaming
            if streaming:
                content = response.streaming_content
                wrap = _stream if not response.is_async else _async_stream
                response.streaming_content = wrap(ours, content)
            return response  # type: ignore[no-any-return]
        finally:
            current.reset(token)
            if not streaming:
                scope.finish(ours)

    return middleware


def _stream(ours: Scope, parts: Iterator[bytes]) -> Iterator[bytes]:
    """A stream asks while it is sent, after every middleware has returned."""
    try:
        while True:
            token = current.set(ours)
            try:
                part = next(parts, None)
            finally:
                current.reset(token)
            if part is None:
                return
            yield part
    finally:
        scope.finish(ours)


async def _async_stream(ours: Scope, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while True:
            token = current.set(ours)
            try:
                part = await anext(parts, None)
            finally:
                current.reset(token)
            if part is None:
                return
            yield part
    finally:
        scope.finish(ours)
