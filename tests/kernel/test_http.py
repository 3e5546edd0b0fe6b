"""Conditional answers and problem details."""

import pytest
from django.test import RequestFactory

from midst.kernel.cache import Answer, Outcome
from midst.kernel.http import ProblemMiddleware, respond

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


def test_a_database_that_is_away_is_a_503_with_retry_after(rf):
    from django.db import OperationalError

    middleware = ProblemMiddleware(lambda request: None)
    response = middleware.process_exception(rf.get("/api/v1/profiles"), OperationalError("secret"))
    assert response.status_code == 503
    assert response["Retry-After"]
    assert b"secret" not in response.content
