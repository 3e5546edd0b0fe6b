"""What the API's document says of every endpoint: its problems, its headers, what leads where.

django-ninja writes down what goes in and what comes out when nothing fails. The rest follows from
rules that hold for the whole API, so it is added here, in one place.
"""

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from midst.kernel.http import PROBLEM
from midst.kernel.problems import (
    ANSWER_NOT_STORED,
    BAD_KEY,
    CHANGED,
    INVALID,
    KEY_IN_USE,
    KEY_REUSED,
    MALFORMED,
    NOT_FOUND,
    NOT_YOURS,
    RATE_LIMITED,
    SCOPE_MISSING,
    TOO_LARGE,
    TYPES,
    UNAUTHENTICATED,
    UNAVAILABLE,
    WRONG_TYPE,
    Type,
)

# Every write takes `Idempotency-Key`, but for those below it.
_WITHOUT_KEY = "/api/v1/auth/"
_BEARER, _SESSION = "token", "session"
_TEXT = {"type": "string"}
_TAG = {"type": "string", "examples": ['"0123456789abcdef"']}

_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "description": "Which problem it is; about:blank says no more than the status.",
            "enum": [*(kind.uri for kind in TYPES), "about:blank"],
        },
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "examples": ["body.slug", "query.limit"]},
                    "message": _TEXT,
                },
            },
        },
    },
}
_RATE_LIMIT_HEADERS = {
    "RateLimit": {
        "description": "What is left, and in how many seconds all of it.",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {"description": "The limit, and its seconds.", "schema": _TEXT},
}


def problems(*kinds: Type) -> dict[str, Any]:
    """Return an endpoint's ``openapi_extra``: problems that the rules here don't find."""
    return {"responses": _responses(kinds)}


def complete(document: Any) -> Any:
    """Add problems, headers, links and security to ninja's ``document``; returns it."""
    paths = document["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            _complete(path, method, operation)
            _link(paths, path, operation)
    components = document["components"]
    components["schemas"]["Problem"] = _PROBLEM
    components["securitySchemes"] = {
        _BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of `POST /auth/token`, or a personal API token.",
        },
        _SESSION: {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The admin's session; writes need its CSRF token as well.",
        },
    }
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    guards = {name for each in operation.pop("security", []) for name in each}
    credentials: list[dict[str, list[str]]] = [{_BEARER: []}, {_SESSION: []}]
    if guards:
        operation["security"] = credentials if "Requires" in guards else [*credentials, {}]
    else:
        operation["security"] = []
    responses = operation["responses"]
    for status, response in _responses(_derived(path, method, operation, guards)).items():
        _merge(responses.setdefault(status, response), response)
    for status, response in responses.items():
        _add_headers(int(status), method, response)
    if any(each["in"] == "query" for each in operation["parameters"]):
        responses[414] = {"description": "The address is longer than the server takes."}
    if method == "get":
        responses[304] = {"description": "The client has it: If-None-Match names its tag."}
        operation["parameters"].append(_header("If-None-Match"))
    if method == "patch":
        operation["parameters"].append(_header("If-Match"))
    if _takes_key(path, method):
        operation["parameters"].append(_KEY)
    operation["responses"] = {str(status): responses[status] for status in sorted(responses)}


def _derived(path: str, method: str, operation: dict[str, Any], guards: set[str]) -> Iterator[Type]:
    if "requestBody" in operation:
        yield from (MALFORMED, TOO_LARGE, WRONG_TYPE)
    # An unknown query parameter, at least.
    yield INVALID
    if guards:
        yield from (UNAUTHENTICATED, RATE_LIMITED)
    if "Requires" in guards:
        yield SCOPE_MISSING
        if method != "get":
            yield NOT_YOURS
    if "{" in path:
        yield NOT_FOUND
    if method == "patch":
        yield CHANGED
    if _takes_key(path, method):
        yield from (BAD_KEY, KEY_IN_USE, KEY_REUSED, ANSWER_NOT_STORED)
    yield UNAVAILABLE


def _takes_key(path: str, method: str) -> bool:
    return method != "get" and not path.startswith(_WITHOUT_KEY)


def _responses(kinds: Iterable[Type]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for kind in dict.fromkeys(kinds):
        response = found.setdefault(
            kind.status,
            {
                "description": HTTPStatus(kind.status).phrase,
                "content": {
                    PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
                },
            },
        )
        response["content"][PROBLEM]["examples"][kind.name] = {
            "summary": kind.title,
            "value": {
                "type": kind.uri,
                "title": kind.title,
                "status": kind.status,
                "detail": kind.meaning,
            },
        }
    return found


def _merge(into: dict[str, Any], response: dict[str, Any]) -> None:
    if into is not response:
        examples = into["content"][PROBLEM].setdefault("examples", {})
        examples.update(response["content"][PROBLEM]["examples"])


_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "A name that the client makes up for this request, such as a UUID: sent again "
    "with it, the request gets the first answer and is not done again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def _add_headers(status: int, method: str, response: dict[str, Any]) -> None:
    headers = response.setdefault("headers", {})
    headers.update(_RATE_LIMIT_HEADERS)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = {"required": True, "schema": {"type": "string"}}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"schema": _TEXT}
    if status == HTTPStatus.CREATED:
        headers["Location"] = {"required": True, "schema": _TEXT}
    if status == HTTPStatus.OK and method == "get":
        headers["ETag"] = {"schema": _TAG}
        headers["X-Cache"] = {"schema": {"type": "string", "enum": ["HIT", "MISS", "BYPASS"]}}


def _link(paths: dict[str, Any], path: str, operation: dict[str, Any]) -> None:
    """From what was made to all that can be done with it."""
    made = operation["responses"].get("201")
    if made is None:
        return
    collection = path.removesuffix("/generate")
    given = re.findall(r"{(\w+)}", path)
    links = made.setdefault("links", {})
    for target, operations in paths.items():
        rest = target.removeprefix(f"{collection}/{{")
        own, *more = [name for name in re.findall(r"{(\w+)}", target) if name not in given] or [""]
        if rest == target or more or not own:
            continue
        parameters = {name: f"$request.path.{name}" for name in given}
        parameters[own] = "$response.body#/slug" if own == "slug" else "$response.body#/id"
        for follower in operations.values():
            links[follower["operationId"]] = {
                "operationId": follower["operationId"],
                "parameters": parameters,
            }


def _header(name: str) -> dict[str, Any]:
    return {"in": "header", "name": name, "required": False, "schema": _TAG}
