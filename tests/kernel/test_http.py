"""Conditional answers and problem details."""

import psycopg
import pytest
from django.db import InternalError, OperationalError
from django.test import RequestFactory
from psycopg import errors
from psycopg_pool import PoolTimeout

from midst.kernel.cache import Answer, Outcome, tag_of
from midst.kernel.http import ProblemMiddleware, check_preconditions, respond
from midst.kernel.problems import Problem

ANSWER = Answer(b'{"a":1}', "0123456789abcdef", Outcome.HIT)


def ask(**headers):
    return respond(RequestFactory().get("/", headers=headers), ANSWER)


def test_an_answer_carries_a_strong_tag_and_where_it_came_from():
    response = ask()
    assert response["ETag"] == '"0123456789abcdef"'
    assert response["X-Cache"] == "HIT"
    assert response["Cache-Control"] == "public, no-cache"


@pytest.mark.parametrize(
    "tag",
    ['"0123456789abcdef"', 'W/"0123456789abcdef"', '"x", "0123456789abcdef"', "*"],
)
def test_who_has_it_gets_304_without_a_body(tag):
    response = ask(if_none_match=tag)
    assert (response.status_code, response.content) == (304, b"")
    assert response["ETag"] == '"0123456789abcdef"'


@pytest.mark.parametrize("tag", ['"x"', "0123456789abcdef", ""])
def test_who_has_another_gets_the_body(tag):
    assert ask(if_none_match=tag).status_code == 200


def test_errors_outside_the_api_stay_pages(client, db):
    assert client.get("/nothing")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (None, "is away"),
        (errors.ConnectionTimeout, "is away"),
        (psycopg.InternalError, "is away"),
        (errors.DeadlockDetected, "Others wrote to the same rows at the same time"),
        (errors.SerializationFailure, "Others wrote to the same rows at the same time"),
        (errors.LockNotAvailable, "Others hold these rows"),
        (errors.QueryCanceled, "took longer than a request may"),
        (errors.IdleInTransactionSessionTimeout, "took longer than a request may"),
        (errors.ReadOnlySqlTransaction, "takes no writes"),
        (errors.TooManyConnections, "connections to the database are taken"),
        (PoolTimeout, "connections to the database are taken"),
        (errors.DiskFull, "no room"),
    ],
)
def test_a_database_that_can_not_do_it_is_a_503_that_says_why(rf, cause, told):
    middleware = ProblemMiddleware(lambda request: None)
    known = cause is not None and not issubclass(cause, psycopg.OperationalError)
    # The bare class is psycopg's own: "received 2 results from command 'COMMIT'".
    error = (InternalError if known else OperationalError)("secret")
    error.__cause__ = cause and cause("secret")
    response = middleware.process_exception(rf.get("/admin/"), error)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert told in response.content.decode()
    assert b"secret" not in response.content


@pytest.mark.parametrize("cause", [errors.InFailedSqlTransaction, errors.InternalError_])
def test_a_mistake_of_ours_is_no_503(rf, cause):
    error = InternalError("secret")
    error.__cause__ = cause()
    assert ProblemMiddleware(lambda request: None).process_exception(rf.get("/"), error) is None


@pytest.mark.parametrize("method", ["patch", "post", "put", "delete"])
def test_a_write_is_never_answered_304(method):
    request = getattr(RequestFactory(), method)("/", headers={"If-None-Match": "*"})
    assert respond(request, ANSWER).status_code == 200


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({}, True),
        ({"If-Match": "*"}, True),
        ({"If-Match": '"x", {tag}'}, True),
        ({"If-Match": "W/{tag}"}, False),
        ({"If-Match": '"x"'}, False),
        ({"If-None-Match": "*"}, False),
        ({"If-None-Match": "{tag}"}, False),
        ({"If-None-Match": 'W/{tag}, "x"'}, False),
        ({"If-None-Match": '"x"'}, True),
        ({"If-Match": "{tag}", "If-None-Match": "*"}, False),
    ],
)
def test_a_write_whose_condition_does_not_hold_is_refused(headers, fine):
    tag = f'"{tag_of(b"now")}"'
    given = {name: value.replace("{tag}", tag) for name, value in headers.items()}
    request = RequestFactory().patch("/", headers=given)
    if fine:
        check_preconditions(request, b"now")
    else:
        with pytest.raises(Problem) as refused:
            check_preconditions(request, b"now")
        assert refused.value.kind.status == 412


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/profiles/none", 404), ("/api/v1/nothing", 404), ("/api/v1/auth/tokens", 401)],
)
def test_no_cache_keeps_an_error_for_others(client, empty_cache, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Vary"] == "Authorization, Cookie"


@pytest.mark.django_db
def test_every_401_says_how_to_authenticate(client, empty_cache):
    for path, body in (
        ("token", {"username": "nobody", "password": "x"}),
        ("refresh", {"refresh": "unknown"}),
    ):
        answer = client.post(f"/api/v1/auth/{path}", body, content_type="application/json")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
def test_head_is_allowed_wherever_get_is(client, empty_cache):
    for path in ("/api/v1/profiles", "/api/v1/taxonomy/masks", "/api/v1/postings"):
        assert client.head(path).status_code == 200
        assert "HEAD" in client.put(path)["Allow"]
