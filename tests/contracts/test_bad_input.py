"""Every endpoint that takes a body refuses bad ones: the right status, the field, nothing done."""

import json

import pytest
from django.apps import apps
from django.db import transaction

from midst.api import api
from tests.contracts.test_access import MATRIX, ROLES, address, filled

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache", "world")]
ROWS = [row for row in MATRIX if row[3] is not None]
TABLES = [
    model for app in ("accounts", "taxonomy", "profiles")
    for model in apps.get_app_config(app).get_models()
]  # fmt: skip
ids = [f"{method} {path}" for method, path, _, _ in ROWS]


@pytest.fixture
def world(shared_world):
    return shared_world


def everything():
    return [list(model._default_manager.order_by("pk").values()) for model in TABLES]


def schema_of(method, path):
    """The properties of its body, each with what it says of null and of lists left out."""
    document = api.get_openapi_schema()
    operation = document["paths"][f"/api/v1{path}"][method.lower()]
    shown = operation["requestBody"]["content"]["application/json"]["schema"]
    name = shown["$ref"].rpartition("/")[2]
    found = document["components"]["schemas"][name]["properties"]
    return {
        field: {**about, **next(iter(about.get("anyOf", [])), {})} for field, about in found.items()
    }


def bad_fields(method, path, good):
    """Yield (field, body)."""
    yield "no such field", {**good, "no such field": 1}
    for field, about in schema_of(method, path).items():
        # Right for none: not a text, a number, an object, a list of texts or of objects.
        yield field, {**good, field: [[]]}
        if about.get("type") == "string":
            yield field, {**good, field: "a\x00b"}
            yield field, {**good, field: "x" * (about.get("maxLength", 500_000) + 1)}
            yield field, {**good, field: 17}
        if about.get("type") in {"integer", "number"}:
            yield field, {**good, field: 10**400}
            yield field, {**good, field: "17"}
            yield field, {**good, field: True}


@pytest.fixture
def ask(client, world):
    def asked(method, path, role, body, content_type="application/json"):
        return client.generic(
            method, f"/api/v1{address(world, path)}", body, content_type=content_type,
            headers={"Authorization": f"Bearer {world.credentials[role]}"},
        )  # fmt: skip

    return asked


def who_may(statuses):
    """Return a role that gets past the guard: 409 is said of what was understood."""
    return next(
        role for role in ("owner", "staff")
        if (status := statuses[ROLES.index(role)]) < 300 or status == 409
    )  # fmt: skip


@pytest.mark.parametrize(("method", "path", "statuses", "body"), ROWS, ids=ids)
def test_a_body_that_is_no_object_of_json(world, ask, method, path, statuses, body):
    role, before = who_may(statuses), everything()
    good = json.dumps(filled(world, body))
    for status, sent, content_type in (
        (400, good[:-1], "application/json"),
        (400, b"\xff\xfe{}", "application/json"),
        (400, "[" * 50_000 + "]" * 50_000, "application/json"),
        (413, good[:-1] + " " * 1_100_000 + "}", "application/json"),
        (415, good, "text/plain"),
        (415, "a=b", "application/x-www-form-urlencoded"),
        (422, "[]", "application/json"),
        (422, "null", "application/json"),
    ):
        answer = ask(method, path, role, sent, content_type)
        assert answer.status_code == status, (sent[:80], answer.content)
        assert answer["Content-Type"] == "application/problem+json"
    assert everything() == before


@pytest.mark.parametrize(("method", "path", "statuses", "body"), ROWS, ids=ids)
def test_each_bad_field_is_named(world, ask, method, path, statuses, body):
    role, before = who_may(statuses), everything()
    for field, sent in bad_fields(method, path, filled(world, body)):
        answer = ask(method, path, role, json.dumps(sent))
        told = (field, str(sent[field])[:40], answer.content)
        assert answer.status_code == 422, told
        named = [error["field"] for error in answer.json()["errors"]]
        assert any(f"{name}.".startswith(f"body.{field}.") for name in named), told
    assert everything() == before


# Times that a client may well send, and that Python, pydantic or PostgreSQL each refuse.
EDGES = (
    "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00-16:00", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+15:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00",
    "0001-01-01", "9999-12-31", "10000-01-01", "0000-01-01", "2026-02-30",
)  # fmt: skip


def time_fields(method, path):
    for field, about in schema_of(method, path).items():
        if about.get("format") in {"date", "date-time"}:
            yield field


def time_parameters():
    for path, operations in api.get_openapi_schema()["paths"].items():
        for each in operations.get("get", {}).get("parameters", []):
            schema = {**each["schema"], **next(iter(each["schema"].get("anyOf", [])), {})}
            if schema.get("format") in {"date", "date-time"}:
                yield path, each["name"]


@pytest.mark.parametrize(
    ("method", "path", "statuses", "body"),
    [row for row in ROWS if list(time_fields(row[0], row[1]))],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_no_time_at_the_edge_of_the_calendar_is_an_error_of_ours(
    world, ask, method, path, statuses, body
):
    for field in time_fields(method, path):
        for edge in EDGES:
            sent = json.dumps({**filled(world, body), field: edge})
            with transaction.atomic():
                answer = ask(method, path, who_may(statuses), sent)
                transaction.set_rollback(True)
            assert answer.status_code < 500, (field, edge, answer.content)


@pytest.mark.parametrize(("path", "name"), list(time_parameters()))
@pytest.mark.parametrize("edge", EDGES)
def test_no_time_in_an_address_is_an_error_of_ours(client, world, path, name, edge):
    assert client.get(path, {name: edge}).status_code in {200, 422}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/profiles?limt=1&limit=2", "limt"),
        ("/profiles/ada?fields=id", "fields"),
        ("/profiles/ada/skills?status=draft", "status"),
        ("/taxonomy/masks/analyst?x", "x"),
    ],
)
def test_a_query_parameter_that_an_endpoint_does_not_have_is_refused(world, path, names):
    answer = world.owner.get(path)
    assert answer.status_code == 422
    assert [each["message"].split("'")[1] for each in answer.json()["errors"]] == [names]


def test_the_rule_holds_for_writes_and_leaves_the_page_of_the_document_alone(world, client):
    refused = world.owner.ask("POST", "/profiles/ada/export?again=1")
    assert refused.status_code == 422
    assert client.get("/api/v1/openapi.json?x=1").status_code == 200
