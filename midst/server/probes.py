"""``/health`` is answered by the event loop: busy is alive, and a probe costs next to nothing.

Counted, timed, logged and named as Django does it, by the same functions; never traced. Who sends a
trace's or a run's header, or what makes another answer, gets Django's while a thread is free.
503 once the worker has been told to end: a proxy that asks sends its requests elsewhere, before the
first connection is refused.
"""

from typing import Any

from midst.health import ALIVE
from midst.server.connections import ENDING, Scope
from midst.server.threads import Answer
from midst.telemetry import request_context, requests

_LEAVING = b'{"status":"ending"}'
_PATH, _ROUTE = "/health", "health"
_DJANGOS = frozenset(
    {b"baggage", b"content-length", b"expect", b"origin", b"traceparent", b"transfer-encoding"}
)


def answer(scope: Scope, *, is_busy: bool) -> Answer | None:
    """Return the answer to the question whether the process is alive; None for any other request.

    ``is_busy``: Django's answer would wait, and whoever asks would end a process that works.
    """
    if scope["path"] != _PATH or scope["method"] not in {"GET", "HEAD"}:
        return None
    given: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if not is_busy and ENDING not in scope and (name in _DJANGOS or name in given):
            return None
        given[name] = value
    meta: dict[str, Any] = {}
    if b"x-request-id" in given:
        meta["HTTP_X_REQUEST_ID"] = given[b"x-request-id"].decode("latin-1")
    observed = request_context.Request(request_context.identify(meta), scope["method"])
    requests.begin(observed)
    status, body = (503, _LEAVING) if ENDING in scope else (200, ALIVE)
    requests.end(observed, _PATH, _ROUTE, status, None)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (request_context.HEADER.lower().encode(), observed.id.encode()),
    ]
    return Answer(status, headers, b"" if scope["method"] == "HEAD" else body)
