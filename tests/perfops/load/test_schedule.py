"""The scheduled start of a request: from the plan and the clock, dropped iterations included."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfops.load.parser import Dropped, Intended, Timing
from perfops.load.recording import Recording
from perfops.load.scenarios import Scenario, Stage
from perfops.load.schedule import Schedule, Start

EVEN = Scenario("even", 100, (Stage(10, 100),), 10)
RAMP = Scenario("ramp", 0, (Stage(10, 200), Stage(10, 0)), 10)


@pytest.mark.parametrize(
    ("plan", "arrivals", "at"),
    [(EVEN, 0, 0), (EVEN, 250, 2.5), (RAMP, 250, 5), (RAMP, 1000, 10), (RAMP, 1750, 15)],
)
def test_arrivals_come_when_the_area_under_the_rate_says(plan, arrivals, at):
    assert Schedule(plan).start_of(arrivals) == pytest.approx(at)


def simulated(vus, stall_s, stalls, answer_s=0.005, seconds=10, rate=100):
    """Events of an open loop with ``vus`` users: who finds none free is dropped, as k6 does it.

    The true response time from the scheduled start is the answer's own time: no one waits.
    """
    free_at = [0.0] * vus
    number = 0
    for slot in range(1, seconds * rate):
        now = slot / rate
        user = min(range(vus), key=free_at.__getitem__)
        if free_at[user] > now:
            yield now, None, 0.0
            continue
        stall = next((end for start, end in stalls if start <= now < end), now)
        took = stall - now + answer_s
        free_at[user] = now + took
        yield now, number, took
        number += 1


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([1, 5, 50, 2000]), st.integers(1, 3))
def test_known_stalls_come_out_as_they_were_whatever_was_dropped(vus, stall_s):
    stalls = [(start, start + stall_s) for start in (2, 7)]
    recording, waited = Recording(Schedule(EVEN)), []
    for now, number, took in simulated(vus, stall_s, stalls):
        if number is None:
            recording.record(Dropped(1000 + now, 1))
            continue
        start = Start(number, 1000 + now, 1000.0, took * 1000)
        recording.record(Timing(1000 + now + took, "/a", took * 1000, False, False))
        # What the script alone would say: it knows of no dropped iteration.
        recording.record(Intended(1000 + now + took, "/a", 10**5, "", start))
        waited.append(took * 1000)
    for q in (0.5, 0.95, 0.99):
        true = sorted(waited)[max(0, -int(-q * len(waited) // 1) - 1)]
        assert recording.intended.quantile(q) == pytest.approx(true, rel=0.02, abs=0.1)


def test_a_generator_that_is_late_is_not_taken_for_dropped_iterations():
    schedule = Schedule(EVEN)
    assert schedule.lag_ms(Start(99, 1001.5, 1000.0, 5)) == pytest.approx(500)
    schedule.note_dropped(1001.2, 50)
    assert schedule.lag_ms(Start(99, 1001.5, 1000.0, 5)) == pytest.approx(0, abs=1e-6)
    assert schedule.lag_ms(Start(99, 1001.1, 1000.0, 5)) == pytest.approx(100)
