"""k6's CSV, read row by row; and what is made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfops.load.parser import Dropped, Intended, Timing, UnknownStream, Vus, WrongBody, events
from perfops.load.recording import ALL, Cell, Recording
from perfops.load.schedule import Start

HEADER = (
    "metric_name,timestamp,metric_value,error_code,expected_response,name,scenario,status,"
    "extra_tags,metadata\n"
)


def rows(*lines):
    return list(events([HEADER, *(f"{line}\n" for line in lines)]))


def test_rows_become_events():
    assert rows(
        "http_req_duration,1700000000500000,12.5,,true,/health,smoke,200,,",
        "http_req_duration,1700000001000000,3,1500,false,/ready,smoke,500,,",
        "http_req_duration,1700000001000000,0,1212,false,/ready,smoke,0,,",
        "intended_duration,1700000001000000,14,,,/health,smoke,,cache=HIT,",
        'intended_duration,1700000001000000,14,,,"/a,b",smoke,,"cache=MISS, HIT",'
        "at=1700000000986&n=7&scenario_at=1700000000000&took=13.5",
        "wrong_bodies,1700000001000000,1,,,/health,smoke,,,",
        "dropped_iterations,1700000001000000,2,,,,smoke,,,",
        "vus,1700000001000000,7,,,,,,,",
    ) == [
        Timing(1700000000.5, "/health", 12.5, error=False, unreachable=False),
        Timing(1700000001.0, "/ready", 3.0, error=True, unreachable=False),
        Timing(1700000001.0, "/ready", 0.0, error=True, unreachable=True),
        Intended(1700000001.0, "/health", 14.0, "HIT"),
        Intended(1700000001.0, "/a,b", 14.0, "HIT", Start(7, 1700000000.986, 1700000000.0, 13.5)),
        WrongBody(1700000001.0, "/health"),
        Dropped(1700000001.0, 2),
        Vus(1700000001.0, 7),
    ]


def test_setup_and_other_metrics_are_passed_over():
    assert (
        rows(
            "http_req_duration,1700000000500000,12.5,,true,http://x/setup,,200,,",
            "http_req_waiting,1700000000500000,12.5,,true,/health,smoke,200,,",
            "iterations,1700000000500000,1,,,,smoke,,,",
        )
        == []
    )


def test_an_unknown_header_is_an_error_and_not_a_run_without_requests():
    with pytest.raises(UnknownStream, match="other columns"):
        list(events(["a,b,c\n", "1,2,3\n"]))


def test_nothing_at_all_is_no_event():
    assert list(events([])) == []


requests = st.lists(
    st.tuples(st.floats(0, 30), st.sampled_from(["/a", "/b"]), st.floats(0.1, 500), st.booleans()),
    max_size=60,
)


@given(requests, st.integers(1, 20))
def test_seconds_add_up_to_the_whole_in_whatever_order_they_come(found, every):
    recording, stored = Recording(), {}

    def read(number, second):
        return [((number, route), cell.requests) for route, cell in second.routes.items()]

    for number, (at, route, ms, error) in enumerate(found):
        recording.record(Timing(1000 + at, route, ms, error, unreachable=False))
        if number % every == 0:
            stored.update(recording.take_changed(read))
    stored.update(recording.take_changed(read, final=True))
    totals = dict(recording.routes())
    assert sum(stored.values()) == len(found) == totals[ALL].requests
    assert totals[ALL].errors == sum(error for *_, error in found)
    assert totals[ALL].latency.count == len(found)


def test_an_empty_cell_has_no_latency():
    assert Cell().latency.quantile(0.95) is None
