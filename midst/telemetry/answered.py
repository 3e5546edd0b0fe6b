"""The span and Sentry's transaction of a request that the event loop answers, without Django.

Whether it can is known only when it has: so both are written down afterwards, and only for what
was decided to be recorded. Names and attributes are those of opentelemetry-instrumentation-django
and -redis, which never see the request (a test holds one against the other).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter, time_ns
from typing import Any

from opentelemetry import baggage, propagate
from opentelemetry.trace import Link, Span, SpanKind, set_span_in_context, use_span

from midst.telemetry import sentry, tracing
from midst.telemetry.request_context import HEADERS_OF_TRACE, Request, template
from midst.telemetry.requests import Decision
from midst.telemetry.sampling import Sampling

Attributes = dict[str, str | int]


def _at_ns(moment: float) -> int:
    """Return ``moment``, of ``perf_counter``, in nanoseconds since 1970."""
    return time_ns() - round((perf_counter() - moment) * 1e9)


@contextmanager
def recorded(
    observed: Request,
    decision: Decision,
    meta: Mapping[str, Any],
    request: Attributes,
    redis: Attributes,
    pattern: str,
) -> Iterator[None]:
    """Record the request around the call of ``requests.end``.

    ``meta``: the headers, as ``HttpRequest.META`` has them; ``request`` and ``redis``: what their
    spans' attributes say besides; ``pattern``: of the route, as Django has it.
    """
    sampling, route = decision.sampling, template(pattern)
    if decision.is_transaction:
        started = _at_ns(observed.started) / 1e9
        observed.transaction = sentry.begin_transaction(observed.method, started=started)
    if sampling is None or not sampling.sampled or tracing.tracer is None:
        yield
        return
    span = _span_of_request(observed, sampling, meta, request, route)
    if observed.round_trip is not None:
        _add_round_trip(observed, span, redis)
    observed.span = span
    with use_span(span, end_on_exit=True):
        yield


def _span_of_request(
    observed: Request,
    sampling: Sampling,
    meta: Mapping[str, Any],
    request: Attributes,
    route: str,
) -> Span:
    assert tracing.tracer is not None  # noqa: S101 -- asked for sampled requests alone
    parent = sampling.context
    if sampling.trusted:
        # Of any other caller a link is kept, and no baggage.
        headers = {name: meta[key] for key, name in HEADERS_OF_TRACE.items() if key in meta}
        parent = propagate.extract(headers, parent)
    run = baggage.get_baggage(tracing.RUN, parent)
    caller = sampling.caller
    return tracing.tracer.start_span(
        f"{observed.method} {route}",
        parent,
        SpanKind.SERVER,
        {
            "http.request.method": observed.method,
            "http.route": route,
            **request,
            **({} if run is None else {tracing.RUN: str(run)}),
        },
        [] if caller is None else [Link(caller)],
        _at_ns(observed.started),
    )


def _add_round_trip(observed: Request, span: Span, redis: Attributes) -> None:
    assert tracing.tracer is not None  # noqa: S101 -- asked for sampled requests alone
    assert observed.round_trip is not None  # noqa: S101 -- as above
    names, started, ended = observed.round_trip
    child = tracing.tracer.start_span(
        " ".join(names).upper(), set_span_in_context(span), SpanKind.CLIENT,
        {"db.system.name": "redis", **redis}, start_time=_at_ns(started),
    )  # fmt: skip
    child.end(_at_ns(ended))
