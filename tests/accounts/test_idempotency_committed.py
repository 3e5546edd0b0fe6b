"""`Idempotency-Key` in real transactions: what others see of them, and what one leaves behind."""

import psycopg
import pytest
from django.db import connection
from django.db.models.signals import post_save

from midst.accounts.models import IdempotencyKey, Scope
from profiles.models import Profile, Skill
from tests.accounts.test_idempotency import add, rows
from tests.world import Someone, database_parameters, meanwhile, personal, user

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("empty_cache"),
]


@pytest.fixture
def ada():
    owner = user("owner")
    Profile.objects.create(owner=owner, slug="ada", display_name="Ada")
    return Someone(personal(owner, list(Scope))[1])


def test_a_second_request_is_refused_while_the_first_is_under_way(ada):
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(**database_parameters()) as other:
        other.execute("SELECT FROM profiles_profile FOR UPDATE")
        with meanwhile(lambda: add(ada)) as write:
            while not other.execute(waits, [other.info.backend_pid]).fetchone():
                assert not write.done(), write.result()
            early = add(ada)
            other.commit()
            first = write.result()
    assert (early.status_code, early["Retry-After"]) == (409, "1")
    assert early.json()["type"] == "urn:midst:problem:key-in-use"
    again = add(ada)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert Skill.objects.count() == 1


def test_a_process_that_ends_between_write_and_commit_leaves_neither(ada):
    """PostgreSQL sees of a killed process what it sees here: its connection ends."""

    def end(**_):
        with psycopg.connect(**database_parameters(), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid]
            )

    post_save.connect(end, sender=IdempotencyKey)
    try:
        assert add(ada).status_code == 503
    finally:
        post_save.disconnect(end, sender=IdempotencyKey)
    assert (Skill.objects.count(), rows()) == (0, 0)
    first, again = add(ada), add(ada)
    assert (first.status_code, again.content) == (201, first.content)
    assert (Skill.objects.count(), rows()) == (1, 1)
