"""What was exported comes back: all of it, once, and only to those who may have it."""

import json
from datetime import date

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midst.accounts.models import Scope
from profiles.collections import CV
from profiles.collections.export import OF_THE_SERVER, ProfileImport
from profiles.models import JobPosting, Narrative, Profile, Skill
from profiles.services import exports
from tests.world import (
    NAMES,
    Someone,
    at_once,
    commit,
    database_parameters,
    meanwhile,
    personal,
    user,
)  # fmt: skip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
IMPORT = "/profiles/me/import"

printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
texts = st.text(printable, max_size=8)
tags = st.lists(st.text(printable, min_size=1, max_size=5).map("x".__add__), max_size=3)
days = st.dates(date(1970, 1, 1), date(2030, 1, 1)).map(str)
moments = days.map("{}T12:00:00.25Z".format)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
meta = st.dictionaries(texts, st.none() | st.booleans() | numbers | texts, max_size=2)


def rows(fields, *, least=0):
    return st.lists(st.fixed_dictionaries(fields), min_size=least, max_size=2)


def entries(collection):
    """Of one kind: the least that a row needs, and what all kinds have."""
    fields = {name: st.just(value) for name, value in NAMES[collection.path].items()}
    if "external_id" in fields:
        fields["external_id"] = st.just("")
    if "description" in collection.body.model_fields:
        fields["description"] = texts
    position, starts_on = st.integers(0, 2), st.none() | days
    return rows({**fields, "position": position, "starts_on": starts_on, "tags": tags})


events = rows(
    {
        "kind": st.sampled_from(["role", "learning"]), "title": texts.map("x".__add__),
        "starts_on": days, "tags": tags, "importance": st.floats(0, 1),
        "epoch": st.sampled_from([None, "mastery"]), "stage": st.sampled_from([None, "design"]),
    }
)  # fmt: skip
blocks = rows({"title": texts, "body": texts, "tags": tags, "weight": st.floats(-9, 999)})
states = st.sampled_from(["draft", "rejected"]).map(lambda state: {"status": state}) | moments.map(
    lambda moment: {"status": "approved", "approved_at": moment}
)
narratives = st.lists(
    st.builds(
        lambda fields, state: {**fields, **state},
        st.fixed_dictionaries(
            {"mask": st.sampled_from(["analyst", "artisan"]), "blocks": blocks, "meta": meta}
        ),
        states,
    ),
    max_size=2,
)
applications = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["draft", "offered"]), "cover_letter": texts,
            "applied_at": st.none() | moments,
        }
    ),
    max_size=3,
)  # fmt: skip
profile_fields = st.fixed_dictionaries(
    {
        "slug": st.just("random"), "display_name": texts.map("x".__add__), "summary": texts,
        "email": st.sampled_from(["", "ada@example.com"]), "languages": tags, "interests": tags,
        "visibility": st.sampled_from(["public", "private"]),
        "default_mask": st.sampled_from([None, "analyst"]),
    }
)  # fmt: skip
documents = st.fixed_dictionaries(
    {
        "profile": profile_fields, "timeline": events, "narratives": narratives,
        "applications": applications,
        "cv": st.fixed_dictionaries({each.path: entries(each) for each in CV}),
    }
)  # fmt: skip


def restore(owner, document, **options):
    data = ProfileImport.model_validate(document)
    return exports.restore(owner, data, limited=False, **{"replace": False, **options})


def exported(owner, slug="random"):
    profile = Profile.objects.get(slug=slug)
    return json.loads(exports.encoded(profile, owner))


def content(document):
    """Without what the server makes: ids, times of creation and change, when it was exported."""
    if isinstance(document, dict):
        left_out = OF_THE_SERVER | {"exported_at"}
        return {name: content(each) for name, each in document.items() if name not in left_out}
    return [content(each) for each in document] if isinstance(document, list) else document


def written(run):
    return [q["sql"] for q in run if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=documents, second=documents)
def test_any_profile_is_the_same_after_export_delete_and_import(first, second):
    owner = get_user_model().objects.get_or_create(username="owner")[0]
    postings = [JobPosting.objects.create(title="x", company="y").pk for _ in range(3)]
    for document in (first, second):
        for posting, application in zip(postings, document["applications"], strict=False):
            application["posting"] = str(posting)
    try:
        assert restore(owner, first)["outcome"] == "created"
        before = exported(owner)
        Profile.objects.filter(slug="random").delete()
        assert restore(owner, before)["outcome"] == "created"
        after = exported(owner)
        assert content(after) == content(before)
        with CaptureQueriesContext(connection) as run:
            again = restore(owner, before)
        assert (again["outcome"], again["added"], again["removed"]) == ("unchanged", {}, {})
        assert not written(run)
        assert exported(owner)["profile"] == after["profile"]
        # Into the one that is there, whatever it holds.
        restore(owner, {**second, "profile": {**second["profile"], "slug": "other"}})
        wanted = exported(owner, "other")
        Profile.objects.filter(slug="other").delete()
        wanted["profile"] |= {"id": after["profile"]["id"], "slug": "random"}
        restore(owner, wanted, replace=True)
        assert restore(owner, wanted)["outcome"] == "unchanged"
    finally:
        Profile.objects.all().delete()
        JobPosting.objects.all().delete()


def an_export(world):
    answer = world.owner.ask("POST", "/profiles/ada/export")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_profile_that_was_deleted_comes_back_by_its_address(world):
    export = an_export(world)
    assert world.owner.delete("/profiles/ada").status_code == 204
    made = world.owner.post(IMPORT, export)
    assert made.status_code == 201
    assert made.json()["outcome"] == "created"
    assert world.nobody.ask("GET", made["Location"].removeprefix("/api/v1")).status_code == 200
    skills = world.nobody.get("/profiles/ada/skills").json()["results"]
    assert [each["name"] for each in skills] == ["Analysis"]
    assert Narrative.objects.get(status="approved").approved_by.username == "owner"


def test_the_second_import_changes_nothing_and_says_so(world):
    export = an_export(world)
    tag = world.owner.get("/profiles/ada")["ETag"]
    answer = world.owner.post(IMPORT, export)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "unchanged")
    assert world.owner.get("/profiles/ada")["ETag"] == tag


def test_large_numbers_of_a_narrative_are_the_same_the_second_time(world):
    profile = {"slug": "large", "display_name": "x"}
    body = {"profile": profile, "narratives": [{"mask": "analyst", "meta": {"n": [1e23, 1e308]}}]}
    assert world.owner.post(IMPORT, body).status_code == 201
    assert world.owner.post(IMPORT, body).json().get("outcome") == "unchanged"


def test_all_writes_lock_the_owner_before_usage_and_slug_so_that_none_wait_in_a_circle(world):
    new = {"slug": "order", "display_name": "x", "default_mask": "analyst"}
    written = [{"mask": "analyst"}]
    imported = {"profile": {**new, "slug": "other"}, "narratives": written}
    for path, body, taken in [
        ("/profiles", new, 'INTO "profiles_profile"'),
        ("/profiles/ada/narratives", written[0], "INTO profiles_userusage"),
        (IMPORT, imported, 'INTO "profiles_profile"'),
    ]:
        with CaptureQueriesContext(connection) as run:
            assert world.owner.post(path, body).status_code == 201
        asked = [each["sql"] for each in run]
        locked = [i for i, sql in enumerate(asked) if "auth_user" in sql and "FOR NO KEY" in sql]
        assert locked[0] < next(i for i, sql in enumerate(asked) if taken in sql)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_first_imports_at_the_same_time_both_succeed():
    someone = Someone(personal(user("owner"), list(Scope))[1])
    document = {
        "profile": {"slug": "new", "display_name": "New"},
        "cv": {"skills": [{"name": "x"}]},
    }
    answers = at_once(lambda: someone.post(IMPORT, document), 4)
    assert sorted(each.status_code for each in answers) == [200, 200, 200, 201]
    assert {each.json()["id"] for each in answers} == {str(Profile.objects.get().pk)}
    assert Skill.objects.count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_write_that_a_deadlock_ended_is_made_once_more_and_counted_once(
    make_profile, owner, settings
):
    """The other one holds what this one needs, and then waits for what this one holds."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "user": ("user", 5, 3600)}
    someone = Someone(personal(owner, list(Scope))[1])
    profile = make_profile()
    lock = "SELECT FROM {} WHERE id = %s FOR UPDATE"
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(**database_parameters()) as other:
        # It waits longer than PostgreSQL lets this one: so this one ends.
        other.execute("SET LOCAL deadlock_timeout = '1min'")
        other.execute(lock.format("auth_user"), [owner.pk])
        with meanwhile(
            lambda: someone.patch("/profiles/ada", {"default_mask": "analyst"})
        ) as write:
            while not other.execute(waits, [other.info.backend_pid]).fetchone():
                assert not write.done(), write.result()
            other.execute(lock.format("profiles_profile"), [profile.pk])
            other.commit()
            answer = write.result()
    assert answer.status_code == 200
    assert answer["RateLimit"].startswith('"user";r=4;')
    assert Profile.objects.get().default_mask.slug == "analyst"


def test_a_profile_that_differs_is_restored_only_when_told_to(world):
    export = an_export(world)
    world.owner.patch("/profiles/ada", {"title": "Countess", "slug": "countess"})
    world.owner.post("/profiles/countess/skills", {"name": "Poetry"})
    kept = str(Skill.objects.get(name="Analysis").pk)
    refused = world.owner.post(IMPORT, export)
    assert refused.status_code == 409
    assert "rows to remove 1" in refused.json()["detail"]
    # It is kept in the cache as it was until the import.
    assert len(world.nobody.get("/profiles/countess/skills").json()["results"]) == 2
    done = world.owner.post(f"{IMPORT}?replace=true", export)
    commit()
    assert done.json()["outcome"] == "restored"
    assert done.json()["removed"] == {"skills": 1}
    assert world.owner.get("/profiles/ada").json()["title"] == ""
    assert world.nobody.get("/profiles/countess/skills").status_code == 404
    (skill,) = world.nobody.get("/profiles/ada/skills").json()["results"]
    assert skill["id"] == kept


def test_a_collection_that_is_left_out_stays_as_it_is(world):
    world.owner.post(f"{IMPORT}?replace=true", {"profile": {"slug": "ada", "display_name": "A"}})
    assert Profile.objects.get().display_name == "A"
    assert Skill.objects.count() == 1


def test_nobody_takes_over_a_profile_of_somebody_else(world):
    export = an_export(world)
    taken = world.other.post(f"{IMPORT}?replace=true", export)
    assert taken.status_code == 409
    assert taken.json()["detail"] == "Another profile has this slug."
    export["profile"]["slug"] = "eve"
    export["applications"] = []
    made = world.other.post(IMPORT, export)
    assert made.status_code == 201
    # Not the id of the one that is there.
    assert made.json()["id"] != str(world.profile.pk)
    assert Profile.objects.get(slug="ada").owner.username == "owner"


BAD = {
    "an unknown field": ({"profile": {"owner": 1}}, "body.profile.owner"),
    "a slug that is reserved": ({"profile": {"slug": "me"}}, "body.profile.slug"),
    "an unknown mask": ({"profile": {"default_mask": "x"}}, "body.profile.default_mask"),
    "a row of another kind": ({"cv": {"skills": [{"role": "x"}]}}, "body.cv.skills.0.name"),
    "an end before its start": (
        {"cv": {"skills": [{"name": "x", "starts_on": "2020-01-01", "ends_on": "2019-01-01"}]}},
        "body.cv.skills.0.ends_on",
    ),
    "too many rows": ({"cv": {"skills": [{"name": "x"}] * 1001}}, "body.cv.skills"),
    "an unknown epoch": (
        {"timeline": [{"kind": "role", "title": "x", "starts_on": "2020-01-01", "epoch": "x"}]},
        "body.timeline.0.epoch",
    ),
    "a narrative that nobody approved": (
        {"narratives": [{"mask": "analyst", "status": "approved"}]},
        "body.narratives.0.approved_at",
    ),
    "an unknown posting": (
        {"applications": [{"posting": "01890000-0000-7000-8000-000000000000"}]},
        "body.applications.0.posting",
    ),
}


@pytest.mark.parametrize(("changes", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_named_and_nothing_is_written(world, changes, field):
    document = {"cv": {"awards": [{"title": "x"}]}, **changes}
    document["profile"] = {"slug": "new", "display_name": "New", **changes.get("profile", {})}
    answer = world.owner.post(IMPORT, document)
    assert answer.status_code == 422, answer.content
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert Profile.objects.count() == 1


def test_a_body_that_is_too_large_is_refused(world, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    document = {"profile": {"slug": "new", "display_name": "New", "summary": "x" * 2000}}
    assert world.owner.post(IMPORT, document).status_code == 413


def test_the_same_project_or_application_twice_is_a_conflict(world):
    twice = [{"name": "x", "external_id": "1"}] * 2
    document = {"profile": {"slug": "new", "display_name": "New"}, "cv": {"projects": twice}}
    assert world.owner.post(IMPORT, document).status_code == 409
    del document["cv"]
    document["applications"] = [{"posting": str(world.free.pk)}] * 2
    assert world.owner.post(IMPORT, document).status_code == 409
    assert Profile.objects.count() == 1


def test_what_is_added_counts_against_the_plan(world):
    document = {"profile": {"slug": "new", "display_name": "New"}}
    document["narratives"] = [{"mask": "analyst", "meta": {"n": n}} for n in range(6)]
    refused = world.owner.post(IMPORT, document)
    assert refused.status_code == 403
    assert "5 are left" in refused.json()["detail"]
    assert Profile.objects.count() == 1
    document["narratives"] = document["narratives"][:4]
    assert world.owner.post(IMPORT, document).status_code == 201
    assert world.owner.post("/profiles/new/narratives", {"mask": "analyst"}).status_code == 201
    assert world.owner.post("/profiles/new/narratives", {"mask": "analyst"}).status_code == 403


def test_masks_that_come_into_use_count_against_the_plan(world):
    """The owner's other profile uses analyst and architect; three are allowed."""
    document = {"profile": {"slug": "new", "display_name": "New", "default_mask": "artisan"}}
    document["narratives"] = [{"mask": "architect"}, {"mask": "observer"}]
    refused = world.owner.post(IMPORT, document)
    assert refused.status_code == 403
    assert "this makes it 4" in refused.json()["detail"]
    document["narratives"].pop()
    assert world.owner.post(IMPORT, document).status_code == 201


def test_operators_restore_without_the_plans_limits(world, tmp_path, capsys):
    path = tmp_path / "export.json"
    document = {"profile": {"slug": "new", "display_name": "New"}}
    document["narratives"] = [{"mask": "analyst", "meta": {"n": n}} for n in range(9)]
    path.write_text(json.dumps(document))
    call_command("import_profile", path, owner="owner")
    assert "created, rows added: 9, removed: 0" in capsys.readouterr().out
    call_command("import_profile", path, owner="owner", format="json")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["outcome"], printed["slug"], printed["added"]) == ("unchanged", "new", {})
    path.write_text(json.dumps({**document, "narratives": []}))
    with pytest.raises(CommandError, match="--replace"):
        call_command("import_profile", path, owner="owner")
    call_command("import_profile", path, owner="owner", replace=True)
    assert "restored, rows added: 0, removed: 9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no export"),
        ('{"profile": {"slug": "new"}}', "profile.display_name: Field required"),
        (
            '{"profile": {"slug": "new", "display_name": "x", "default_mask": "x"}}',
            "There is no mask 'x'",
        ),
    ],
)
def test_the_command_says_what_is_wrong_with_a_file(db, tmp_path, text, message):
    user("owner")
    path = tmp_path / "export.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=message):
        call_command("import_profile", path, owner="owner")
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("import_profile", path, owner="nobody")
    with pytest.raises(CommandError, match="can't be read"):
        call_command("import_profile", tmp_path / "none.json", owner="owner")
