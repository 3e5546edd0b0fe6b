"""Every endpoint, and who gets which status from it; an endpoint without a row fails."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from midst.api import api
from profiles.collections import CV
from tests.world import NAMES, PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache", "world")]
ROLES = (
    "nobody", "owner", "other", "staff", "token", "staff token", "token without scope",
    "expired token", "revoked token",
)  # fmt: skip

MASK = {
    "slug": "new", "name": "New", "ontology": "cognitive", "functional_scope": "x", "tone": "x",
    "rhetorical_mode": "x", "compression_ratio": 0.5,
}  # fmt: skip
STAGE = {"slug": "new", "title": "New", "summary": "x"}
EPOCH = {"slug": "new", "name": "New", "summary": "x", "position": 77, "stages": ["inquiry"]}
CREDENTIALS = {"username": "owner", "password": PASSWORD}


@pytest.fixture
def world(shared_world):
    return shared_world


def anyone(good=200):
    """Without credentials, or with good ones."""
    return (good, good, good, good, good, good, good, 401, 401)


def own_read(good=200):
    return (401, good, 403, good, good, 403, 403, 401, 401)


own_write = own_read


def signed_in(good, for_others=404):
    """No token may do this, and everyone has but their own."""
    return (401, good, for_others, for_others, 403, 403, 403, 401, 401)


def staff_write(good):
    return (401, 403, 403, good, 403, good, 403, 401, 401)


def staff_signed_in(good):
    return (401, 403, 403, good, 403, 403, 403, 401, 401)


staff_read = staff_write


def user_write(good):
    return (401, good, good, good, good, good, 403, 401, 401)


def always(good):
    """Asks for no credentials, and looks at none."""
    return (good,) * len(ROLES)


P, T, A, OPS = "/profiles/{profile}", "/taxonomy", "/auth", "/perfops"
# method, path, statuses by role, body
MATRIX = [
    ("POST", f"{A}/token", always(200), CREDENTIALS),
    ("POST", f"{A}/refresh", always(200), {"refresh": "{refresh}"}),
    ("POST", f"{A}/revoke", always(204), {"refresh": "{refresh}"}),
    ("GET", f"{A}/tokens", signed_in(200, 200), None),
    ("POST", f"{A}/tokens", signed_in(201, 201), {"name": "x", "scopes": ["profiles:read"]}),
    ("DELETE", f"{A}/tokens", signed_in(204, 204), None),
    ("GET", f"{A}/tokens/{{id}}", signed_in(200), None),
    ("DELETE", f"{A}/tokens/{{id}}", signed_in(204), None),
    ("GET", f"{T}/masks", anyone(), None),
    ("POST", f"{T}/masks", staff_write(201), MASK),
    ("GET", f"{T}/masks/{{slug}}", anyone(), None),
    ("PATCH", f"{T}/masks/{{slug}}", staff_write(200), {"tone": "dry"}),
    ("DELETE", f"{T}/masks/{{slug}}", staff_write(204), None),
    ("GET", f"{T}/epochs", anyone(), None),
    ("POST", f"{T}/epochs", staff_write(201), EPOCH),
    ("GET", f"{T}/epochs/{{slug}}", anyone(), None),
    ("PATCH", f"{T}/epochs/{{slug}}", staff_write(200), {"stages": ["design"]}),
    ("DELETE", f"{T}/epochs/{{slug}}", staff_write(204), None),
    ("GET", f"{T}/stages", anyone(), None),
    ("POST", f"{T}/stages", staff_write(201), STAGE),
    ("GET", f"{T}/stages/{{slug}}", anyone(), None),
    ("PATCH", f"{T}/stages/{{slug}}", staff_write(200), {"tags": ["x"]}),
    ("DELETE", f"{T}/stages/{{slug}}", staff_write(204), None),
    ("GET", "/profiles", anyone(), None),
    ("POST", "/profiles", user_write(201), {"slug": "new", "display_name": "New"}),
    ("GET", "/profiles/me", user_write(200), None),
    ("POST", "/profiles/me/import", user_write(201),
     {"profile": {"slug": "new", "display_name": "New"}}),
    ("GET", "/profiles/{id}", anyone(), None),
    ("PATCH", "/profiles/{id}", own_write(200), {"title": "Countess"}),
    ("DELETE", "/profiles/{id}", own_write(204), None),
    *(
        row
        for each in CV
        for row in (
            ("GET", f"{P}/{each.path}", anyone(), None),
            ("POST", f"{P}/{each.path}", own_write(201), {**NAMES[each.path], "external_id": ""}
             if each.path == "projects" else NAMES[each.path]),
            ("GET", f"{P}/{each.path}/{{id}}", anyone(), None),
            ("PATCH", f"{P}/{each.path}/{{id}}", own_write(200), {"tags": ["x"]}),
            ("DELETE", f"{P}/{each.path}/{{id}}", own_write(204), None),
        )
    ),
    ("GET", f"{P}/timeline", anyone(), None),
    ("POST", f"{P}/timeline", own_write(201),
     {"kind": "role", "title": "x", "starts_on": "1843-01-01", "epoch": "mastery"}),
    ("GET", f"{P}/timeline/{{id}}", anyone(), None),
    ("PATCH", f"{P}/timeline/{{id}}", own_write(200), {"importance": 1}),
    ("DELETE", f"{P}/timeline/{{id}}", own_write(204), None),
    ("GET", f"{P}/narratives", anyone(), None),
    ("POST", f"{P}/narratives", own_write(201), {"mask": "analyst"}),
    ("GET", f"{P}/narratives/{{id}}", anyone(), None),
    ("PATCH", f"{P}/narratives/{{id}}", own_write(200), {"revision_note": "x"}),
    ("DELETE", f"{P}/narratives/{{id}}", own_write(204), None),
    ("POST", f"{P}/narratives/generate", own_write(201), {"mask": "architect"}),
    ("POST", f"{P}/narratives/{{id}}/approve", own_write(409), None),
    ("POST", f"{P}/narratives/{{id}}/reject", own_write(200), {"revision_note": "x"}),
    ("GET", f"{P}/applications", own_read(), None),
    ("POST", f"{P}/applications", own_write(201), {"posting": "{free}"}),
    ("GET", f"{P}/applications/{{id}}", own_read(), None),
    ("PATCH", f"{P}/applications/{{id}}", own_write(200), {"status": "submitted"}),
    ("DELETE", f"{P}/applications/{{id}}", own_write(204), None),
    ("GET", f"{P}/masks", anyone(), None),
    ("GET", f"{P}/subscription", own_read(), None),
    ("PATCH", f"{P}/subscription", staff_signed_in(200), {"tier": "pro"}),
    ("GET", f"{P}/usage", own_read(), None),
    ("POST", f"{P}/export", own_read(), None),
    ("GET", "/postings", anyone(), None),
    ("POST", "/postings", staff_signed_in(201), {"title": "x", "company": "y"}),
    ("GET", "/postings/{id}", anyone(), None),
    ("PATCH", "/postings/{id}", staff_signed_in(200), {"status": "closed"}),
    ("DELETE", "/postings/{id}", staff_signed_in(204), None),
    ("GET", f"{OPS}/runs", staff_read(200), None),
    ("POST", f"{OPS}/runs", staff_write(201), {"scenario": "smoke"}),
    ("GET", f"{OPS}/runs/{{id}}", staff_read(200), None),
    ("POST", f"{OPS}/runs/{{id}}/cancel", staff_write(200), None),
    ("POST", f"{OPS}/runs/{{id}}/rate", staff_write(409), {"rate": 150}),
    ("GET", f"{OPS}/incidents", staff_read(200), None),
    ("GET", f"{OPS}/findings", staff_read(200), None),
    ("GET", f"{OPS}/findings/{{id}}", staff_read(200), None),
    ("POST", f"{OPS}/findings/{{id}}/acknowledge", staff_write(200), None),
    ("POST", f"{OPS}/findings/{{id}}/mute", staff_write(200),
     {"until": "2999-01-01", "reason": "x"}),
    ("POST", f"{OPS}/findings/{{id}}/reopen", staff_write(409), None),
    ("GET", f"{OPS}/budgets", staff_read(200), None),
    ("GET", f"{OPS}/budgets/{{id}}", staff_read(200), None),
    ("GET", f"{OPS}/waivers", staff_read(200), None),
    ("POST", f"{OPS}/waivers", staff_write(201),
     {"budget": "p95 latency", "reason": "x", "ends_at": "{tomorrow}"}),
    ("POST", f"{OPS}/waivers/{{id}}/end", staff_write(200), None),
]  # fmt: skip
ROWS = {(method, path): (statuses, body) for method, path, statuses, body in MATRIX}


def operations():
    prefix = "/api/v1"
    return {
        (method.upper(), path.removeprefix(prefix))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }


def test_every_endpoint_has_its_row_and_no_row_is_left_over():
    assert set(ROWS) == operations()
    assert len(ROWS) == len(MATRIX)


def address(world, path):
    part = path.removeprefix(f"{P}/").removeprefix(f"{OPS}/").split("/")[0]
    key = {
        "/profiles/{id}": world.profile.slug,
        f"{A}/tokens/{{id}}": world.token.pk,
        "/postings/{id}": world.free.pk,
    }.get(path, world.parts.get(part))
    return path.format(profile=world.profile.slug, id=key, slug="spare")


def filled(world, body):
    known = {
        "{refresh}": world.refresh, "{free}": str(world.free.pk),
        "{tomorrow}": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    return {name: known.get(str(value), value) for name, value in body.items()}


def ask(client, world, role, method, path, body):
    token = world.credentials[role]
    # What one role does is undone before the next one comes.
    with transaction.atomic():
        answer = client.generic(
            method,
            f"/api/v1{address(world, path)}",
            b"" if body is None else json.dumps(filled(world, body)).encode(),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        transaction.set_rollback(True)
    return answer


@pytest.mark.parametrize(("method", "path"), ROWS, ids=lambda part: part)
def test_of_a_public_profile(client, world, method, path):
    statuses, body = ROWS[method, path]
    answers = {role: ask(client, world, role, method, path, body) for role in ROLES}
    assert {role: answer.status_code for role, answer in answers.items()} == dict(
        zip(ROLES, statuses, strict=True)
    ), {role: answer.content for role, answer in answers.items()}


@pytest.mark.parametrize(
    ("method", "path"), [row for row in ROWS if row[1].startswith("/profiles/{")], ids=str
)
def test_a_private_profile_is_not_there_for_others(client, world, method, path):
    """404, not 403: they must not learn that it exists. Staff's own endpoints stay staff's."""
    world.profile.visibility = "private"
    world.profile.save()
    statuses, body = ROWS[method, path]
    expected = dict(zip(ROLES, statuses, strict=True))
    if expected["nobody"] == 200:
        expected["nobody"] = expected["token without scope"] = 404
    if expected["owner"] != 403:
        expected["other"] = expected["staff token"] = 404
    got = {role: ask(client, world, role, method, path, body).status_code for role in ROLES}
    assert got == expected


@pytest.mark.parametrize(
    ("method", "path"), [row for row in ROWS if row[1].startswith("/profiles/{")], ids=str
)
def test_an_inactive_profile_is_there_for_staff_alone(client, world, method, path):
    world.profile.is_active = False
    world.profile.save()
    for role in ("owner", "other", "nobody", "token"):
        answer = ask(client, world, role, method, path, ROWS[method, path][1])
        assert answer.status_code in {401, 403, 404}
        assert answer.status_code != 403 or path.endswith("/subscription")
    staff = ask(client, world, "staff", method, path, ROWS[method, path][1])
    assert staff.status_code == ROWS[method, path][0][ROLES.index("staff")]


def test_the_row_of_one_profile_is_not_reached_through_another(client, world):
    """Each key is looked for under its profile: a foreign one is not there."""
    from profiles.models import Profile

    other = Profile.objects.create(
        owner=world.profile.owner, slug="eve", display_name="Eve", visibility="public"
    )
    for path, key in world.parts.items():
        for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
            answer = client.generic(
                method,
                f"/api/v1/profiles/{other.slug}/{path}/{key}",
                b"{}" if body is not None else b"",
                content_type="application/json",
                headers={"Authorization": f"Bearer {world.credentials['owner']}"},
            )
            assert answer.status_code == 404, (method, path)


def test_a_draft_is_never_public(client, world):
    url = f"/api/v1/profiles/ada/narratives/{world.draft.pk}"
    for role, status in (("nobody", 404), ("other", 404), ("owner", 200), ("staff", 200)):
        token = world.credentials[role]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        assert client.get(url, headers=headers).status_code == status
    listed = client.get("/api/v1/profiles/ada/narratives").json()["results"]
    assert [each["status"] for each in listed] == ["approved"]


@pytest.mark.parametrize(("method", "path"), ROWS, ids=str)
def test_staff_without_permissions_is_like_any_other_user(client, world, method, path):
    get_user_model().objects.get(username="staff").user_permissions.clear()
    body = ROWS[method, path][1]
    staff, other = (
        ask(client, world, role, method, path, body).status_code for role in ("staff", "other")
    )
    assert staff == other


@pytest.mark.parametrize(
    ("method", "path"),
    [row for row in ROWS if row[0] in {"PATCH", "DELETE"} and "{" in row[1] and A not in row[1]],
    ids=str,
)
@pytest.mark.parametrize("headers", [{"If-Match": '"x"'}, {"If-None-Match": "*"}], ids=str)
def test_a_write_whose_condition_does_not_hold_changes_nothing(
    client, world, method, path, headers
):
    statuses, body = ROWS[method, path]
    role = "owner" if statuses[ROLES.index("owner")] < 300 else "staff"
    answer = client.generic(
        method,
        f"/api/v1{address(world, path)}",
        b"" if body is None else json.dumps(filled(world, body)).encode(),
        content_type="application/json",
        headers={"Authorization": f"Bearer {world.credentials[role]}", **headers},
    )
    assert answer.status_code == 412
    again = ask(client, world, role, method, path, body)
    assert again.status_code == statuses[ROLES.index(role)]
