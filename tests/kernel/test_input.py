"""Bodies that are no good: the right status, the field's name, and nothing happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from midst.kernel.input import Day, Input, Tags, check_storable, text

URL = "/api/v1/auth/token"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]


def post(client, body, content_type="application/json", **extra):
    return client.generic("POST", URL, body, content_type=content_type, **extra)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "kind"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b"", "application/json", 422, "invalid"),
        (b'{"a": "\\ud800"}', "application/json", 400, "malformed"),
        (b"\xff\xfe", "application/json", 400, "malformed"),
        (b'{"a": NaN}', "application/json", 400, "malformed"),
        (b"[" * 100_000, "application/json", 400, "malformed"),
        (
            b'{"username": "a", "password": "b", "username": "c"}',
            "application/json",
            400,
            "malformed",
        ),
        (b'{"a": [{"b": 1, "\\u0062": 2}]}', "application/json", 400, "malformed"),
        (b"{}", "text/plain", 415, "wrong-type"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "wrong-type"),
        (b"{}", "", 415, "wrong-type"),
        (b'"' + b"x" * 1_100_000 + b'"', "application/json", 413, "too-large"),
        (b"[]", "application/json", 422, "invalid"),
        (b"null", "application/json", 422, "invalid"),
        (b'"text"', "application/json", 422, "invalid"),
        (b"17", "application/json", 422, "invalid"),
    ],
)
def test_what_is_not_a_json_object_is_refused(client, body, content_type, status, kind):
    answer = post(client, body, content_type)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["type"] == f"urn:midst:problem:{kind}"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("{}", ["body.password", "body.username"]),
        ('{"username": 7, "password": ["x"]}', ["body.password", "body.username"]),
        ('{"username": "a", "password": "b", "admin": true}', ["body.admin"]),
        ('{"username": "a\\u0000", "password": "b"}', ["body.username"]),
        (f'{{"username": "{"x" * 151}", "password": "b"}}', ["body.username"]),
        (f'{{"username": {"9" * 200}, "password": "b"}}', ["body.username"]),
    ],
)
def test_each_mistake_is_named(client, body, fields):
    answer = post(client, body.encode())
    assert answer.status_code == 422, answer.content
    assert sorted(error["field"] for error in answer.json()["errors"]) == fields
    assert all(error["message"] for error in answer.json()["errors"])


def test_a_name_that_stands_twice_is_told(client):
    answer = post(client, b'{"username": "a", "password": "b", "username": "c"}')
    detail = answer.json()["detail"]
    assert detail == "The name 'username' stands more than once in one object."


@pytest.mark.parametrize("sent", ["2026-01-31T00:00:00", "2026-01-31T00:00:00Z", "2026-1-31", 0])
def test_a_day_is_a_date_without_a_time(sent):
    class Body(Input):
        on: Day | None = None

    with pytest.raises(ValidationError, match="should be a date like 2026-01-31"):
        Body.model_validate({"on": sent})
    assert str(Body.model_validate({"on": "2026-01-31"}).on) == "2026-01-31"
    assert Body.model_validate({"on": None}).on is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_what_is_storable_can_be_encoded_and_has_no_null(value):
    try:
        check_storable(value)
    except ValueError:
        assert "\\x00" in repr(value) or "\\ud" in repr(value)
    else:
        assert "\\x00" not in repr(value)


def test_bottomless_nesting_is_refused():
    value = []
    for _ in range(100):
        value = [value]
    with pytest.raises(ValueError, match="nests deeper"):
        check_storable(value)


def test_texts_are_stripped_and_tags_kept_once():
    class Example(Input):
        name: str = text(5)
        marks: Tags

    made = Example(name="  ada  ", marks=["b", "a", "b"])
    assert (made.name, made.marks) == ("ada", ["b", "a"])
