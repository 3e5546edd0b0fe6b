"""The requests that are measured, and the client that sends them."""

import http.client
import itertools
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus

CONNECTIONS = 4
_LIST = "/api/v1/profiles?limit=20"
# Addresses that nothing has asked for before: no cache has their answers.
_moments = itertools.count()


def paths(ids: list[str]) -> dict[str, Callable[[int], Iterator[str]]]:
    """Return for each row of the table what gives so many paths. ``ids``: public profiles."""
    unasked = itertools.cycle(ids)

    def fresh_lists(times: int) -> Iterator[str]:
        for number in itertools.islice(_moments, times):
            yield f"{_LIST}&created_from=2020-01-01T00:00:00.{number:06d}Z"

    return {
        "`/health`": lambda times: itertools.repeat("/health", times),
        "list of 20, cached": lambda times: itertools.repeat(_LIST, times),
        "one profile, cached": lambda times: itertools.repeat(f"/api/v1/profiles/{ids[0]}", times),
        "list of 20, from the database": fresh_lists,
        "one profile, from the database": lambda times: (
            f"/api/v1/profiles/{each}" for each in itertools.islice(unasked, times)
        ),
    }


def check_same(ports: Mapping[str, int], ids: list[str]) -> None:
    """Raise ``RuntimeError`` unless all sides, by name, answer with the same list and profile."""
    for path in (_LIST, f"/api/v1/profiles/{ids[0]}"):
        found = {}
        for name, port in ports.items():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                body = json.load(answer)
            rows = body.get("results") or body.get("items") or [body]
            found[name] = [(each["id"], each["slug"], each["interests"]) for each in rows]
        first, *others = found
        for name in others:
            if found[name] != found[first]:
                raise RuntimeError(f"{path}: {name} answers with other rows than {first}.")


def ask(port: int, asked: Iterator[str]) -> None:
    """Send each path as GET over a few connections that stay open, the next after an answer.

    Raises ``RuntimeError`` for an answer that is not a 200.
    """
    lock = threading.Lock()
    errors: list[str] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not errors:
            with lock:
                path = next(asked, None)
            if path is None:
                break
            try:
                connection.request("GET", path, headers={"Accept": "*/*", "User-Agent": "peers"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                errors.append(f"{path}: {error!r}")
            else:
                if answer.status != HTTPStatus.OK:
                    errors.append(f"{path}: {answer.status} {body[:300]!r}")
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    if errors:
        raise RuntimeError(errors[0])
