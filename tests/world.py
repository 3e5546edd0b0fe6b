"""A small world: an owner with a profile that has one of everything, and the others."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection, connections, transaction
from django.test import Client

from midst.accounts import services as accounts
from midst.accounts.models import Scope
from perfops.models import Analysis, Budget, Finding, LoadRun, Waiver
from profiles import models
from profiles.collections import CV
from taxonomy.models import Epoch, Mask, Stage

PASSWORD = "correct horse battery"
# The least that a row needs; a collection that is not named here gets its own example.
NAMES = {
    **{each.path: each.body.model_config["json_schema_extra"]["examples"][0] for each in CV},
    "experience": {"role": "Analyst", "organization": "Engines"},
    "education": {"institution": "University"},
    "projects": {"name": "Note G", "external_id": "g"},
    "skills": {"name": "Analysis"},
    "publications": {"title": "Sketch"},
    "awards": {"title": "Medal"},
    "certifications": {"name": "Certified"},
    "social-links": {"platform": "Mastodon", "url": "https://social.example/@ada"},
}


def user(name, **options):
    return get_user_model().objects.create_user(name, password=PASSWORD, **options)


def personal(user, scopes, days=1):
    expires_at = datetime.now(UTC) + timedelta(days=days)
    return accounts.issue_api_token(
        user, name="test", scopes=[str(scope) for scope in scopes], expires_at=expires_at
    )


def grant_all(user):
    """Every permission over the domain and operations, as a group has it; not a superuser."""
    domain = Permission.objects.filter(
        content_type__app_label__in=("profiles", "taxonomy", "perfops")
    )
    user.user_permissions.add(*domain)
    return user


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def commit():
    """What was made so far counts as committed, though the test's transaction is still open."""
    hooks = [hook for _, hook, _ in connection.run_on_commit]
    connection.run_on_commit.clear()
    for hook in hooks:
        hook()


def at_once(work, times):
    """Call ``work`` in so many threads at the same time; return what each returned."""
    start = Barrier(times)

    def begin():
        start.wait(60)
        return work()

    with ThreadPoolExecutor(times) as pool:
        return [each.result() for each in [pool.submit(_closing, begin) for _ in range(times)]]


@contextmanager
def meanwhile(work):
    """Run ``work`` in a thread of its own; yields its future, and waits for it at the end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(_closing, work)


def _closing(work):
    """Connections belong to their thread, and keep the test database in use."""
    try:
        return work()
    finally:
        connections.close_all()


def database_parameters():
    """How psycopg connects to the tests' database, past Django's transaction."""
    told = connection.settings_dict
    return {
        "host": told["HOST"], "port": told["PORT"], "user": told["USER"],
        "password": told["PASSWORD"], "dbname": told["NAME"],
    }  # fmt: skip


class Someone:
    """A client of the API: ``ask("GET", "/profiles/ada")``."""

    def __init__(self, token=None):
        self.token = token

    def ask(self, method, path, body=None, **headers):
        return Client().generic(
            method,
            f"/api/v1{path}",
            b"" if body is None else json.dumps(body).encode(),
            content_type="application/json",
            headers={**bearer(self.token), **headers},
        )

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, body):
        return self.ask("POST", path, body)

    def patch(self, path, body, **headers):
        return self.ask("PATCH", path, body, **headers)

    def delete(self, path):
        return self.ask("DELETE", path)


@pytest.fixture
def world(db):
    return make_world()


@pytest.fixture(scope="module")
def world_of_module(django_db_setup, django_db_blocker):
    """Made once for all tests of a module: see ``shared_world``."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def shared_world(world_of_module, db):
    """``world`` for a module of hundreds of tests: each is undone, the rows stay for the next."""
    return deepcopy(world_of_module)


def make_world():
    owner, other, staff = user("owner"), user("other"), grant_all(user("staff", is_staff=True))
    profile = models.Profile.objects.create(
        owner=owner,
        slug="ada",
        display_name="Ada",
        visibility="public",
        default_mask=Mask.objects.get(slug="analyst"),
    )
    parts = {
        each.path: each.model.objects.create(profile=profile, **NAMES[each.path]).pk for each in CV
    }
    parts["timeline"] = models.TimelineEvent.objects.create(
        profile=profile, kind="milestone", title="Note G", starts_on="1843-08-01"
    ).pk
    mask = Mask.objects.get(slug="architect")
    approved = {"status": "approved", "approved_at": datetime.now(UTC)}
    parts["narratives"] = models.Narrative.objects.create(
        profile=profile, mask=mask, blocks=[], **approved
    ).pk
    draft = models.Narrative.objects.create(profile=profile, mask=mask, blocks=[])
    posting = models.JobPosting.objects.create(title="Architect", company="Engines")
    free = models.JobPosting.objects.create(title="Designer", company="Engines")
    parts["applications"] = models.JobApplication.objects.create(
        profile=profile, posting=posting
    ).pk
    now = datetime.now(UTC)
    parts["runs"] = LoadRun.objects.create(
        scenario="smoke", target="http://192.0.2.1:80", plan={"duration_s": 60.0}
    ).pk
    analysis = Analysis.objects.create(state="finished", finished_at=now)
    finding = Finding.objects.create(
        database="default", fingerprint="f", advisor="unused_indexes", object="public.x",
        severity="warning", title="x", why="x", remedy="x", first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    finding.occurrences.create(analysis=analysis, severity="warning")
    parts["findings"] = finding.pk
    parts["budgets"] = Budget.objects.earliest("pk").pk
    parts["waivers"] = Waiver.objects.create(
        budget="p99 latency", reason="x", ends_at=now + timedelta(days=1)
    ).pk
    # Nothing is in the way of their end.
    Mask.objects.create(
        slug="spare", name="Spare", ontology="cognitive", position=99, compression_ratio="0.5"
    )
    Epoch.objects.create(slug="spare", name="Spare", summary="", position=99)
    Stage.objects.create(slug="spare", title="Spare", summary="")
    every = list(Scope)
    shown, _ = personal(owner, every)
    _, expired = personal(owner, every, days=-1)
    revoked_token, revoked = personal(owner, every)
    accounts.revoke_api_token(owner, revoked_token.pk)
    sessions = {each.username: accounts.start_session(each) for each in (owner, other, staff)}
    commit()
    return SimpleNamespace(
        profile=profile,
        parts=parts,
        draft=draft,
        posting=posting,
        free=free,
        token=shown,
        refresh=sessions["owner"].refresh,
        nobody=Someone(),
        owner=Someone(sessions["owner"].access),
        other=Someone(sessions["other"].access),
        staff=Someone(sessions["staff"].access),
        credentials={
            "nobody": None,
            "owner": sessions["owner"].access,
            "other": sessions["other"].access,
            "staff": sessions["staff"].access,
            "token": personal(owner, every)[1],
            "staff token": personal(staff, every)[1],
            "token without scope": personal(owner, [])[1],
            "expired token": expired,
            "revoked token": revoked,
        },
    )
