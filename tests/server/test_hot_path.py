"""The hot path beside Django: the same requests through it and around it give the same answers."""

import asyncio
import itertools
import logging
from types import SimpleNamespace

import pytest
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from midst.kernel.cache import circuit, versions
from midst.server import hot
from midst.server.application import Server
from midst.server.threads import Threads
from taxonomy.cache import MASKS as REGION
from taxonomy.models import Mask
from tests.server.test_back_pressure import ask, scope

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

MASKS, MASK = b"/api/v1/taxonomy/masks", b"/api/v1/taxonomy/masks/architect"
COUNTED = (
    "http_requests_total", "http_request_duration_seconds_count", "http_request_db_queries_count",
    "http_request_db_queries_sum", "cache_hits_total", "cache_misses_total",
    "rate_limit_decisions_total",
)  # fmt: skip
_addresses = itertools.count(1)


class Lines(logging.Handler):
    """What is logged of each request, but for times."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        method, path, status, route, _, queries, _ = record.args
        self.lines.append((method, path, status, route, queries))


@pytest.fixture
def sides(settings):
    """One server with a hot path and one without, in front of the same application."""
    settings.RATE_LIMIT_EXEMPT = []
    application = get_wsgi_application()
    asked = []

    def counted(environ, start_response):
        asked.append(environ["PATH_INFO"])
        return application(environ, start_response)

    threads = Threads(counted, size=2, waiting=10)
    lines, log = Lines(), logging.getLogger("midst.request")
    log.addHandler(lines)
    before, log.level = log.level, logging.INFO
    with asyncio.Runner() as runner:
        path = hot.make()
        found = SimpleNamespace(
            through=Server(threads, largest_body=1000, hot_path=path),
            around=Server(threads, largest_body=1000),
            asked=asked, lines=lines.lines, run=runner.run, path=path,
        )  # fmt: skip

        async def connect():
            while path._links.ready() is None:
                await asyncio.sleep(0.01)

        runner.run(connect())
        yield found
        runner.run(close(path))
    log.removeHandler(lines)
    log.level = before
    threads._pool.shutdown()


async def close(path):
    link = path._links.ready()
    if link is not None:
        link.close()
    await asyncio.sleep(0)


def send(sides, server, method, path, query, headers, client=None):
    """Return status, headers, body and whether Django was asked."""
    request = scope(method, headers, path, query)
    request["client"] = (client or f"192.0.{next(_addresses)}", 1)
    sides.asked.clear()
    start, body = sides.run(ask(server, request))
    given = sorted(each for each in start["headers"] if each[0] != b"x-request-id")
    return start["status"], given, body["body"], bool(sides.asked)


def counts():
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name in COUNTED
    }


def counted_and_logged(sides, act):
    before = counts()
    del sides.lines[:]
    answer = act()
    moved = {name: value - before.get(name, 0) for name, value in counts().items()}
    return answer, {name: value for name, value in moved.items() if value}, list(sides.lines)


HOST = (b"host", b"127.0.0.1")
TAGS = [b"*", b'"x"', b'W/"y", "z"']
some_headers = st.lists(
    st.one_of(
        st.tuples(st.just(b"if-none-match"), st.sampled_from([b"TAG", b"W/TAG", *TAGS])),
        st.tuples(st.just(b"accept"), st.sampled_from([b"*/*", b"text/html"])),
        st.tuples(st.just(b"accept-encoding"), st.sampled_from([b"gzip", b"br"])),
        st.tuples(st.just(b"range"), st.just(b"bytes=0-9")),
        st.tuples(st.just(b"cookie"), st.sampled_from([b"a=b", b"csrftoken=x", b"sessionid=y"])),
        st.tuples(st.just(b"authorization"), st.sampled_from([b"Bearer x", b"Basic eDp5"])),
        st.tuples(st.just(b"x-forwarded-for"), st.just(b"203.0.113.9")),
        st.tuples(st.just(b"x-forwarded-proto"), st.sampled_from([b"https", b"http"])),
        st.tuples(st.just(b"origin"), st.just(b"https://a.example")),
        st.tuples(st.just(b"baggage"), st.just(b"perfops.run=1")),
        st.tuples(
            st.just(b"traceparent"),
            st.just(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
    ),
    max_size=3,
)
paths = st.sampled_from(
    [MASKS, MASK, MASKS + b"/", b"/api/v1/taxonomy/masks/nobody", b"/api/v1/taxonomy/epochs",
     b"//api/v1/taxonomy/masks", b"/api/v1/taxonomy/%6dasks", b"/api/v1/profiles", b"/health",
     b"/api/v1/profiles/me"]
)  # fmt: skip
queries = st.sampled_from(
    [b"", b"limit=2", b"limit=0", b"limit=2&limit=3", b"offset=1", b"unknown=1", b"search=%00"]
)
methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "DELETE"])
hosts = st.sampled_from([HOST, (b"host", b"midst.example"), (b"host", b"not a host")])


@pytest.mark.slow
def test_through_and_around_are_the_same(sides):
    hits = []

    @hypothesis_settings(
        max_examples=12, derandomize=True, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @example(method="GET", path=MASKS, query=b"", headers=[], host=HOST)
    @example(method="HEAD", path=MASK, query=b"", headers=[], host=HOST)
    @example(method="GET", path=MASK, query=b"", headers=[(b"if-none-match", b"TAG")], host=HOST)
    @given(method=methods, path=paths, query=queries, headers=some_headers, host=hosts)
    def compare(method, path, query, headers, host):
        tag = dict(send(sides, sides.around, "GET", path, query, [host])[1]).get(b"etag", b'"n"')
        given = [host, *((name, text.replace(b"TAG", tag)) for name, text in headers)]
        request = (method, path, query, given)
        for _ in range(2):
            send(sides, sides.through, *request)
        around = counted_and_logged(sides, lambda: send(sides, sides.around, *request)[:3])
        (*answer, asked), moved, logged = counted_and_logged(
            sides, lambda: send(sides, sides.through, *request)
        )
        assert (tuple(answer), moved, logged) == around
        if not asked:
            hits.append((method, answer[0]))
            names = {name for name, _ in given}
            assert not names & {b"cookie", b"authorization", b"origin"}

    compare()
    assert {("GET", 200), ("HEAD", 200), ("GET", 304)} <= set(hits)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", [HOST, (b"host", b"not a host")])
def test_a_probe_is_answered_as_django_does_and_never_asks_it(sides, method, host):
    """With a trace's header Django answers: in pieces, for it sends no length here."""
    caller = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    found = [
        counted_and_logged(
            sides, lambda given=given: send(sides, sides.through, method, b"/health", b"", given)
        )
        for given in ([host], [host, caller])
    ]
    assert [answer[3] for answer, *_ in found] == [False, True]
    assert [answer[0] for answer, *_ in found] == [200, 200]
    assert [dict(answer[1])[b"content-type"] for answer, *_ in found] == [b"application/json"] * 2
    assert found[0][0][2] == (found[1][0][2] if method == "GET" else b"")
    assert found[0][1:] == found[1][1:]
    assert found[0][1]


def test_an_answer_is_never_older_than_the_last_commit(sides):
    mask = Mask.objects.get(slug="architect")
    for number in range(4):
        mask.name = f"Architect {number}"
        mask.save()
        bodies = [send(sides, sides.through, "GET", MASK, b"", [HOST]) for _ in range(3)]
        assert all(mask.name.encode() in body for _, _, body, _ in bodies)
        # The first is computed; what it found answers the next ones.
        assert [asked for *_, asked in bodies[-2:]] == [False, False] or number == 0


@pytest.mark.slow
def test_while_a_writer_commits_django_answers(sides):
    for _ in range(2):
        send(sides, sides.through, "GET", MASK, b"", [HOST])
    assert send(sides, sides.through, "GET", MASK, b"", [HOST])[3] is False
    versions.set_pending([REGION.group], "a-writer")
    try:
        assert send(sides, sides.through, "GET", MASK, b"", [HOST])[3] is True
    finally:
        versions.invalidate([REGION.group], "a-writer")


@pytest.mark.slow
def test_requests_answered_there_count_against_the_limit_once(sides, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "address": ("address", 5, 600)}
    send(sides, sides.through, "GET", MASK, b"", [HOST])
    found = [
        send(sides, sides.through, "GET", MASK, b"", [HOST], client="192.0.2.99") for _ in range(7)
    ]
    assert [status for status, *_ in found] == [200] * 5 + [429] * 2
    assert [asked for *_, asked in found] == [False] * 5 + [True] * 2


@pytest.mark.slow
def test_what_it_can_not_answer_is_counted_once(sides):
    """A miss: Redis was asked for the limit already when Django gets the request."""
    for _ in range(2):
        send(sides, sides.through, "GET", MASK, b"", [HOST])
    Mask.objects.get(slug="architect").save()
    (status, headers, _, asked), moved, _ = counted_and_logged(
        sides, lambda: send(sides, sides.through, "GET", MASK, b"", [HOST])
    )
    assert (status, asked) == (200, True)
    assert b'"address";r=299;' in dict(headers)[b"ratelimit"]
    assert moved["rate_limit_decisions_total", ("backend", "redis"), ("limit", "address"),
                 ("outcome", "allowed")] == 1  # fmt: skip


@pytest.mark.slow
def test_audits_and_a_redis_that_is_given_up_are_djangos(sides, settings, monkeypatch):
    for _ in range(2):
        send(sides, sides.through, "GET", MASK, b"", [HOST])
    settings.CACHE_AUDIT_RATE = 1
    assert send(sides, sides.through, "GET", MASK, b"", [HOST])[3] is True
    settings.CACHE_AUDIT_RATE = 0
    assert send(sides, sides.through, "GET", MASK, b"", [HOST])[3] is False
    monkeypatch.setattr(type(circuit), "is_open", lambda self: True)
    assert send(sides, sides.through, "GET", MASK, b"", [HOST])[3] is True


def test_one_setting_turns_it_off(settings):
    settings.HOT_PATH = False
    assert hot.make() is None
    settings.HOT_PATH = True
    settings.USE_X_FORWARDED_HOST = True
    assert hot.make() is None
