"""`Idempotency-Key`: a write that is sent again is answered again, and done once."""

from datetime import timedelta

import pytest

from midst.accounts.models import ApiToken, AuditEvent, IdempotencyKey, Scope
from midst.accounts.secrets import utc_now
from midst.accounts.tasks import clear_expired
from midst.api import api
from perfops.models import LoadRun
from profiles.models import Profile, Skill
from tests.contracts.test_access import MATRIX, A, address, filled
from tests.world import Someone, personal, user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
WRITES = [row for row in MATRIX if row[0] != "GET" and not row[1].startswith(A)]
KEY = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.fixture
def world(shared_world):
    return shared_world


def add(someone, name="Poetry", key=KEY, slug="ada"):
    path, body = f"/profiles/{slug}/skills", {"name": name}
    return someone.ask("POST", path, body, **{"Idempotency-Key": key})


def rows():
    return IdempotencyKey.objects.count()


@pytest.mark.parametrize(
    ("method", "path", "statuses", "body"), WRITES, ids=[f"{each[0]} {each[1]}" for each in WRITES]
)
def test_every_write_is_done_once(world, method, path, statuses, body):
    """One that is refused leaves nothing, so it may be tried again."""
    (who, good) = max(
        ((who, status) for who, status in ((world.owner, statuses[1]), (world.staff, statuses[3]))),
        key=lambda each: each[1] != 403,
    )
    body = body and filled(world, body)

    def ask():
        where = address(world, path)
        return who.ask(method, where, body, **{"Idempotency-Key": KEY})

    first, events = ask(), AuditEvent.objects.count()
    again = ask()
    assert (first.status_code, again.status_code) == (good, good), first.content
    assert "Idempotency-Replayed" not in first
    assert ("Idempotency-Replayed" in again) == (good < 400)
    assert rows() == int(good < 400)
    if good < 400:
        assert again.content == first.content
        for name in ("Location", "ETag", "Content-Type", "Cache-Control", "Vary"):
            assert again.get(name) == first.get(name)
        assert AuditEvent.objects.count() == events


def test_the_document_names_the_key_at_every_write_but_those_of_sign_ins_and_tokens():
    named = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, operation in methods.items()
        if any(each["name"] == "Idempotency-Key" for each in operation["parameters"])
    }
    assert named == {(method, path) for method, path, *_ in WRITES}


def test_no_token_is_stored(world):
    made = {"name": "x", "scopes": ["profiles:read"]}
    before = ApiToken.objects.count()
    for _ in range(2):
        answer = world.owner.ask("POST", f"{A}/tokens", made, **{"Idempotency-Key": KEY})
        assert answer.status_code == 201
    assert (rows(), ApiToken.objects.count()) == (0, before + 2)


def test_a_key_stands_for_one_request_of_one_user(world):
    first = add(world.owner)
    other = add(world.owner, "Prose")
    assert (other.status_code, other.json()["type"]) == (422, "urn:midst:problem:key-reused")
    assert add(world.other).status_code == 403
    own = user("grace")
    Profile.objects.create(owner=own, slug="grace", display_name="Grace")
    grace = Someone(personal(own, list(Scope))[1])
    answer = grace.ask(
        "POST", "/profiles/grace/skills", {"name": "Poetry"}, **{"Idempotency-Key": KEY}
    )
    assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, False)
    assert add(world.owner).content == first.content
    assert Skill.objects.filter(name="Poetry").count() == 2


def test_a_token_without_the_scope_gets_no_stored_answer(world):
    add(world.owner)
    reader = Someone(personal(world.profile.owner, [Scope.PROFILES_READ])[1])
    assert add(reader).status_code == 403
    assert add(Someone()).status_code == 401


def test_what_is_no_key_is_refused_where_one_is_read(world):
    for key in ("", "x" * 256, "two words", "ключ".encode().decode("latin-1")):
        answer = add(world.owner, key=key)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:midst:problem:bad-key")
    assert world.owner.get("/profiles/ada/skills", **{"Idempotency-Key": ""}).status_code == 200
    assert add(world.owner, key="x" * 255).status_code == 201


def test_a_refused_write_leaves_its_key_free_and_its_transaction_undone(world):
    key = {"Idempotency-Key": KEY}
    change = {"slug": "taken"}
    Profile.objects.create(owner=user("grace"), slug="taken", display_name="x")
    assert world.owner.patch("/profiles/ada", change, **key).status_code == 409
    assert world.owner.patch("/profiles/ada", {"slug": 5}, **key).status_code == 422
    Profile.objects.filter(slug="taken").delete()
    assert rows() == 0
    assert world.owner.patch("/profiles/ada", change, **key).status_code == 200


def test_a_repeated_conditional_write_gets_its_first_answer(world):
    """Its own write has changed the tag that it names."""
    tag = world.owner.get("/profiles/ada")["ETag"]
    headers = {"Idempotency-Key": KEY, "If-Match": tag}
    first = world.owner.patch("/profiles/ada", {"headline": "x"}, **headers)
    again = world.owner.patch("/profiles/ada", {"headline": "x"}, **headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again["ETag"] == first["ETag"] != tag
    assert (
        world.owner.patch("/profiles/ada", {"headline": "x"}, **{"If-Match": tag}).status_code
        == 412
    )


def test_a_repeated_write_counts_for_the_rate_limit(world, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "user": ("user", 5, 3600)}
    left = [add(world.owner)["RateLimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=4", "r=3", "r=2"]


def test_a_large_answer_is_not_stored_and_says_so(world, settings):
    settings.IDEMPOTENCY_LARGEST_ANSWER = 10
    assert add(world.owner).status_code == 201
    again = add(world.owner)
    assert (again.status_code, again.json()["type"]) == (409, "urn:midst:problem:answer-not-stored")
    assert Skill.objects.filter(name="Poetry").count() == 1


def test_a_key_can_be_used_anew_after_its_time_and_is_deleted_then(world, settings):
    settings.IDEMPOTENCY_HOURS = 1
    first = add(world.owner)
    add(world.owner, "Prose", key="other")
    IdempotencyKey.objects.update(created_at=utc_now() - timedelta(minutes=59))
    assert "Idempotency-Replayed" in add(world.owner)
    IdempotencyKey.objects.update(created_at=utc_now() - timedelta(minutes=61))
    assert add(world.owner).json()["id"] != first.json()["id"]
    clear_expired()
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == [KEY]
    world.profile.owner.delete()
    assert rows() == 0


def test_a_load_run_is_started_once(world):
    LoadRun.objects.all().delete()
    key = {"Idempotency-Key": KEY}
    first, again = (
        world.staff.ask("POST", "/perfops/runs", {"scenario": "smoke"}, **key) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Location"] == first["Location"]
    assert LoadRun.objects.count() == 1
