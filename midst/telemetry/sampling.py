"""Decides once, before anything else is built, whether a request is traced.

What an unsampled request does afterwards is suppressed by OpenTelemetry's own suppression: it
pays for the decision and next to nothing more. A caller decides only where it is trusted
(``TRACE_TRUSTED_NETWORKS``); what any other caller says of a trace becomes a link.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from random import getrandbits
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from opentelemetry.context import Context, get_current, get_value, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from midst.telemetry.request_context import HEADERS_OF_TRACE, client_address

# A context's key: the request is sampled.
_DECIDED = "midst.decided"
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)
with suppress_instrumentation():
    _SUPPRESSED = get_current()
_SAMPLED = set_value(_DECIDED, True, Context())


class Sampling(NamedTuple):
    """What was decided for a request, and the context it runs in.

    ``caller``: the span of a caller that is not ``trusted``.
    """

    sampled: bool
    context: Context
    trusted: bool = False
    caller: SpanContext | None = None


class FollowDecision(Sampler):
    """For the SDK: what ``decide`` has decided, and for the rest ``configured``."""

    def __init__(self, configured: Sampler) -> None:
        self._configured = configured

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *rest: Any, **options: Any
    ) -> SamplingResult:
        sampler = ALWAYS_ON if get_value(_DECIDED, parent_context) else self._configured
        return sampler.should_sample(parent_context, trace_id, name, *rest, **options)

    def get_description(self) -> str:
        return self._configured.get_description()


def decide(
    sampler: Sampler, propagator: TextMapPropagator, name: str, meta: Mapping[str, Any]
) -> Sampling:
    """Decide for the request that ``meta`` describes, by its caller or anew.

    ``meta`` is as ``HttpRequest.META`` has it.
    """
    caller, trusted = None, False
    if "HTTP_TRACEPARENT" in meta or "HTTP_BAGGAGE" in meta:
        headers = {name: meta[key] for key, name in HEADERS_OF_TRACE.items() if key in meta}
        context = propagator.extract(headers, Context())
        span = get_current_span(context).get_span_context()
        caller = span if span.is_valid else None
        trusted = is_within(client_address(meta), tuple(settings.TRACE_TRUSTED_NETWORKS))
        if trusted and caller is not None:
            if sampler.should_sample(context, caller.trace_id, name).decision.is_sampled():
                return Sampling(sampled=True, context=_SAMPLED, trusted=True)
            return _unsampled(caller.trace_id, caller.span_id)
    trace_id = getrandbits(128)
    if sampler.should_sample(None, trace_id, name).decision.is_sampled():
        return Sampling(sampled=True, context=_SAMPLED, trusted=trusted, caller=caller)
    return _unsampled(trace_id, getrandbits(64))


def decide_against() -> Sampling:
    """Return the decision for a request that can't be traced, whatever the sampler says."""
    return _unsampled(getrandbits(128), getrandbits(64))


def forget_caller(request: HttpRequest) -> None:
    """Take off what a caller that is not trusted says of a trace: an instrumentation believes it.

    It reads ``META``, or under ASGI the headers themselves.
    """
    for key in HEADERS_OF_TRACE:
        request.META.pop(key, None)
    scope = getattr(request, "scope", None)
    if scope is not None:
        names = {name.encode() for name in HEADERS_OF_TRACE.values()}
        scope["headers"] = [each for each in scope["headers"] if each[0].lower() not in names]


def _unsampled(trace_id: int, span_id: int) -> Sampling:
    """Log lines and tasks keep the trace's id, and nobody decides anew."""
    span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=_UNSAMPLED))
    return Sampling(sampled=False, context=set_span_in_context(span, _SUPPRESSED))


@lru_cache(maxsize=1024)
def is_within(address: str, networks: tuple[str, ...]) -> bool:
    """Say whether ``address`` is one, and within one of ``networks``."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(network) for network in networks)
