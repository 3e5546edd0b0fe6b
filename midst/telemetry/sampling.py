"""Decides once, before anything else is built, whether a request is traced.

What an unsampled request does afterwards is suppressed by OpenTelemetry's own suppression: it
pays for the decision and next to nothing more. A caller decides only where it is trusted
(``TRACE_TRUSTED_NETWORKS``); what any other caller says of a trace becomes a link.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from random import getrandbits
from typing import Any, NamedTuple

from django.conf import settings
from opentelemetry.context import Context, attach, detach, get_current, get_value, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

_HEADERS = {
    "HTTP_TRACEPARENT": "traceparent",
    "HTTP_TRACESTATE": "tracestate",
    "HTTP_BAGGAGE": "baggage",
}
# Keys of a context: the request is sampled; what its caller says of a trace is not believed.
_DECIDED, _UNTRUSTED = "midst.decided", "midst.untrusted"
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


def _suppressed() -> Context:
    token = attach(Context())
    with suppress_instrumentation():
        found = get_current()
    detach(token)
    return found


_SUPPRESSED = _suppressed()
_SAMPLED = set_value(_DECIDED, True, Context())
_SAMPLED_UNTRUSTED = set_value(_UNTRUSTED, True, _SAMPLED)


class Sampling(NamedTuple):
    """What was decided for a request, the context it runs in, and an untrusted caller's span."""

    sampled: bool
    context: Context
    caller: SpanContext | None = None


class FollowDecision(Sampler):
    """For the SDK: what ``decide`` has decided, and for the rest ``configured``."""

    def __init__(self, configured: Sampler) -> None:
        self._configured = configured

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if get_value(_DECIDED, parent_context):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)
        return self._configured.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return self._configured.get_description()


class TrustedCallers(TextMapPropagator):
    """``configured``, but nothing is taken from a caller that ``decide`` did not trust."""

    def __init__(self, configured: TextMapPropagator) -> None:
        self._configured = configured

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        if get_value(_UNTRUSTED, context):
            return get_current() if context is None else context
        return self._configured.extract(carrier, context, getter)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        self._configured.inject(carrier, context, setter)

    @property
    def fields(self) -> set[str]:
        return self._configured.fields


def decide(
    sampler: Sampler, propagator: TextMapPropagator, name: str, meta: Mapping[str, Any]
) -> Sampling:
    """Decide for the request that ``meta`` describes, by its caller or anew.

    ``meta`` is as ``HttpRequest.META`` has it.
    """
    caller = None
    if "HTTP_TRACEPARENT" in meta or "HTTP_BAGGAGE" in meta:
        headers = {name: meta[key] for key, name in _HEADERS.items() if key in meta}
        context = propagator.extract(headers, Context())
        span = get_current_span(context).get_span_context()
        caller = span if span.is_valid else None
        if _is_trusted(_address(meta), tuple(settings.TRACE_TRUSTED_NETWORKS)):
            if caller is None:
                return _begin(sampler, name, context=_SAMPLED)
            decision = sampler.should_sample(context, caller.trace_id, name).decision
            if decision.is_sampled():
                return Sampling(sampled=True, context=_SAMPLED)
            return _unsampled(caller.trace_id, caller.span_id)
    return _begin(sampler, name, context=_SAMPLED_UNTRUSTED, caller=caller)


def _begin(
    sampler: Sampler, name: str, *, context: Context, caller: SpanContext | None = None
) -> Sampling:
    trace_id = getrandbits(128)
    if sampler.should_sample(None, trace_id, name).decision.is_sampled():
        return Sampling(sampled=True, context=context, caller=caller)
    return _unsampled(trace_id, getrandbits(64))


def _unsampled(trace_id: int, span_id: int) -> Sampling:
    """Log lines and tasks keep the trace's id, and nobody decides anew."""
    span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=_UNSAMPLED))
    return Sampling(sampled=False, context=set_span_in_context(span, _SUPPRESSED))


def _address(meta: Mapping[str, Any]) -> str:
    """Return the client's address: as many proxies back as ``TRUSTED_PROXY_HOPS`` says."""
    hops: int = settings.TRUSTED_PROXY_HOPS
    if not hops:
        return str(meta.get("REMOTE_ADDR", ""))
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    return forwarded[-hops].strip() if len(forwarded) >= hops else ""


@lru_cache(maxsize=1024)
def _is_trusted(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(network) for network in networks)
