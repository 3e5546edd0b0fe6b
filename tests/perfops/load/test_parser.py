"""k6's CSV, read row by row; and what is made of it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perfops.load.parser import (
    Departure,
    Dropped,
    Intended,
    Timing,
    UnknownStream,
    Vus,
    WrongBody,
    events,
)
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
        "sent_requests,1700000000986000,1,,,/health,smoke,,,"
        "at=1700000000986&iteration=7&n=7&scenario_at=1700000000000",
        "sent_requests,1700000000986000,1,,,/me,smoke,,,iteration=7",
        "wrong_bodies,1700000001000000,1,,,/health,smoke,,,",
        "dropped_iterations,1700000001000000,2,,,,smoke,,,",
        "vus,1700000001000000,7,,,,,,,",
    ) == [
        Timing(1700000000.5, "/health", 12.5, error=False, unreachable=False),
        Timing(1700000001.0, "/ready", 3.0, error=True, unreachable=False),
        Timing(1700000001.0, "/ready", 0.0, error=True, unreachable=True),
        Intended(1700000001.0, "/health", 14.0, "HIT"),
        Intended(1700000001.0, "/a,b", 14.0, "HIT", Start(7, 1700000000.986, 1700000000.0, 13.5)),
        Departure(1700000000.986, "/health", 7, Start(7, 1700000000.986, 1700000000.0, 0)),
        Departure(1700000000.986, "/me", 7),
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


STREAM = HEADER + "".join(
    f"http_req_duration,17000000{n:02}500000,12.5,,true,/a,smoke,200,cache=HIT,n={n}&at=1\n"
    f'intended_duration,17000000{n:02}500000,13.5,,,/a,smoke,200,"cache=HIT, MISS",'
    f"n={n}&at=17000000{n:02}000&scenario_at=1700000000000&took=12.5&iteration={n}\n"
    for n in range(3)
)


@given(st.integers(0, len(STREAM)))
def test_a_stream_that_is_cut_anywhere_gives_the_events_of_its_whole_rows(length):
    assume(length == 0 or length >= len(HEADER))
    cut = STREAM[:length]
    found = list(events(cut.splitlines(keepends=True)))
    whole = max(0, cut.count("\n") - 1)
    assert found == list(events(STREAM.splitlines(keepends=True)))[:whole]


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


hung = st.lists(st.tuples(st.floats(0, 30), st.booleans()), min_size=1, max_size=40)


@given(hung, st.floats(30, 45))
def test_what_was_never_answered_counts_with_the_time_that_it_had_waited(sent, end):
    """A lower bound of each time; no answer within k6's wait after the plan's end is an error."""
    recording = Recording()
    for number, (at, is_answered) in enumerate(sent):
        recording.record(Departure(1000 + at, "/a", number))
        if is_answered:
            recording.record(Timing(1000 + at + 0.01, "/a", 10, error=False, unreachable=False))
            recording.record(Intended(1000 + at + 0.01, "/a", 10, "", None, number))
    recording.record(Vus(1000 + end, len(sent)))
    recording.count_unanswered()
    recording.count_unanswered()
    seconds = recording.take_changed(lambda _, second: [second.overall().requests], final=True)
    total = dict(recording.routes())[ALL]
    waits = [end - at for at, is_answered in sent if not is_answered]
    assert sum(seconds) == total.requests == total.latency.count == len(sent)
    assert recording.intended.count == len(sent)
    assert recording.unanswered == len(waits)
    # The clock's resolution at this size.
    assert sum(wait > 9.001 for wait in waits) <= total.errors
    assert total.errors <= sum(wait > 8.999 for wait in waits)
    if waits:
        assert total.scheduled.max() == pytest.approx(max(waits) * 1000, rel=0.02, abs=0.1)


def test_a_session_ends_a_request_before_it_sends_the_next():
    recording = Recording()
    for at, route in ((1.0, "/a"), (2.0, "/b")):
        recording.record(Departure(1000 + at, route, 0))
        recording.record(Timing(1000 + at + 0.5, route, 500, error=False, unreachable=False))
        recording.record(Intended(1000 + at + 0.5, route, 500, "", None, 0))
    recording.record(Departure(1003.0, "/c", 0))
    recording.record(Vus(1023.0, 1))
    recording.count_unanswered()
    recording.take_changed(lambda *_: (), final=True)
    found = {name: (cell.requests, cell.errors) for name, cell in recording.routes()}
    assert found == {ALL: (3, 1), "/a": (1, 0), "/b": (1, 0), "/c": (1, 1)}
