"""A trace that begins here is kept or dropped as the SDK's own sampler says."""

from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    TraceIdRatioBased,
)

from midst.telemetry import sampling


def begun(sampler, trace):
    provider = TracerProvider(sampler=sampler, id_generator=sampling.Ids(), shutdown_on_exit=False)
    sampling.follow(sampler)
    with patch.object(sampling, "getrandbits", lambda bits: trace if bits == 128 else 7):
        span = sampling.begin(provider.get_tracer("test"), "GET")
    provider.shutdown()
    return span


@pytest.fixture(autouse=True)
def _followed_no_longer():
    yield
    sampling.follow(ALWAYS_ON)


@given(
    ratio=st.floats(0, 1),
    trace=st.integers(1, 2**128 - 1),
    kind=st.sampled_from([ParentBasedTraceIdRatio, TraceIdRatioBased]),
)
@example(ratio=0.0, trace=1, kind=TraceIdRatioBased)
@example(ratio=1.0, trace=2**64 - 1, kind=TraceIdRatioBased)
@example(ratio=0.5, trace=2**63, kind=ParentBasedTraceIdRatio)
def test_the_sampler_and_we_agree_on_every_id(ratio, trace, kind):
    sampler = kind(ratio)
    span = begun(sampler, trace)
    kept = sampler.should_sample(None, trace, "GET").decision.is_sampled()
    told = span.get_span_context()
    assert (span.is_recording(), told.trace_flags.sampled) == (kept, kept)
    assert (told.trace_id, told.is_valid, told.is_remote) == (trace, True, False)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF, ParentBased(ALWAYS_OFF)])
def test_any_other_sampler_is_asked(sampler):
    span = begun(sampler, 5)
    assert span.is_recording() is (sampler is ALWAYS_ON)
    assert span.get_span_context().trace_id == 5
