"""From a change to its invalidation: when it happens, for which rows, and who may be killed."""

from time import sleep

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction

from midst.kernel import cache
from midst.kernel.cache import invalidation, versions
from midst.kernel.cache.regions import Outcome
from midst.kernel.problems import Problem
from profiles.collections import CV
from profiles.models import Profile, Skill
from profiles.selectors import collections, profiles
from taxonomy.models import Mask

committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@committed
def test_a_rollback_invalidates_nothing(ask):
    ask()
    with transaction.atomic():
        cache.invalidate_on_commit("a")
        transaction.set_rollback(True)
    assert ask(b"never").outcome == Outcome.HIT


@committed
def test_a_savepoint_that_is_rolled_back_invalidates_nothing_the_rest_does(ask):
    ask(key="one", groups=("one",))
    ask(key="two", groups=("two",))
    with transaction.atomic():
        cache.invalidate_on_commit("one")
        with transaction.atomic():
            cache.invalidate_on_commit("two")
            transaction.set_rollback(True)
    assert ask(b"new", key="one", groups=("one",)).body == b"new"
    assert ask(b"never", key="two", groups=("two",)).outcome == Outcome.HIT


@committed
def test_what_a_transaction_has_changed_is_not_kept_from_within_it(ask):
    with transaction.atomic():
        cache.invalidate_on_commit("a")
        assert ask(b"uncommitted").outcome == Outcome.BYPASS
        assert ask(b"else", key="else", groups=("c",)).outcome == Outcome.MISS
        transaction.set_rollback(True)
    assert ask(b"committed").body == b"committed"


@committed
def test_while_somebody_commits_nothing_is_kept_and_nothing_kept_is_served(ask, monkeypatch):
    ask(b"old")
    seen = []

    def commit_slowly(connection):
        before_commit(connection)
        seen.append(ask(b"asked").body)
        seen.append(ask(b"asked again").body)

    before_commit = invalidation.before_commit
    monkeypatch.setattr(invalidation, "before_commit", commit_slowly)
    with transaction.atomic():
        Mask.objects.filter(slug="analyst").update(tone="flat")
        cache.invalidate_on_commit("a")
    assert seen == [b"asked", b"asked again"]
    assert ask(b"new").outcome == Outcome.MISS
    assert ask(b"never").body == b"new"


@committed
def test_a_writer_that_dies_after_its_commit_leaves_no_lie(ask, monkeypatch):
    ask(b"old")
    monkeypatch.setattr(invalidation, "_invalidate", lambda *_: None)
    with transaction.atomic():
        cache.invalidate_on_commit("a")
    assert ask(b"new").body == b"new"
    assert ask(b"newer").body == b"newer", "its mark is there for some seconds: nothing is kept"


def test_two_writers_at_once_each_hold_the_group_until_their_own_end(ask):
    versions.set_pending(["a"], "first")
    versions.set_pending(["a"], "second")
    versions.invalidate(["a"], "first")
    ask(b"old")
    assert ask(b"new").body == b"new", "the second one has not committed yet"
    versions.invalidate(["a"], "second")
    ask(b"kept")
    assert ask(b"never").body == b"kept"


def test_a_mark_ends_by_itself(ask, monkeypatch):
    monkeypatch.setattr(versions, "PENDING_S", 1)
    versions.set_pending(["a"], "killed")
    for _ in range(300):
        if ask().outcome == Outcome.HIT:
            return
        sleep(0.02)
    pytest.fail("the group is still held back")


@pytest.fixture
def ada(transactional_db):
    owner = get_user_model().objects.create_user("owner")
    profile = Profile.objects.create(
        owner=owner, slug="ada", display_name="Ada", visibility="public"
    )
    Skill.objects.create(profile=profile, name="Analysis")
    return profile


NOBODY = AnonymousUser()
SKILLS = next(each for each in CV if each.path == "skills")


def shown(address="ada"):
    return profiles.detail(address, user=NOBODY)[0].body


def skills(address="ada"):
    page = collections.listed(SKILLS, address, user=NOBODY, path="/", limit=5, cursor="")
    return page[0].body


def save(ada, **fields):
    for name, value in fields.items():
        setattr(ada, name, value)
    ada.save()


def atomically(ada, **fields):
    with transaction.atomic():
        save(ada, **fields)


def raw_sql(ada):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE profiles_profile SET display_name = 'Lovelace'")
        cache.invalidate_on_commit(f"profile:{ada.pk}", "profile:ada")


CHANGES = {
    "save": lambda ada: save(ada, display_name="Lovelace"),
    "queryset update": lambda _: Profile.objects.update(display_name="Lovelace"),
    "bulk_update": lambda ada: Profile.objects.bulk_update(
        [Profile(pk=ada.pk, display_name="Lovelace")], ["display_name"]
    ),
    "update_or_create": lambda _: Profile.objects.update_or_create(
        slug="ada", defaults={"display_name": "Lovelace"}
    ),
    "in an atomic block": lambda ada: atomically(ada, display_name="Lovelace"),
    "raw SQL and the call": raw_sql,
}


@committed
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_way_to_change_a_row_is_seen(ada, change):
    for address in ("ada", str(ada.pk)):
        assert b"Lovelace" not in shown(address)
    change(ada)
    for address in ("ada", str(ada.pk)):
        assert b"Lovelace" in shown(address)


def rename(skill, name):
    skill.name = name
    return skill


PART_CHANGES = {
    "bulk_create": lambda ada: Skill.objects.bulk_create([Skill(profile=ada, name="Poetry")]),
    "bulk_update": lambda _: Skill.objects.bulk_update(
        [rename(skill, "Poetry") for skill in Skill.objects.all()], ["name"]
    ),
    "save": lambda _: rename(Skill.objects.get(), "Poetry").save(),
    "create": lambda ada: Skill.objects.create(profile=ada, name="Poetry"),
}


@committed
@pytest.mark.parametrize("change", PART_CHANGES.values(), ids=PART_CHANGES)
def test_every_way_to_change_a_part_is_seen(ada, change):
    assert b"Poetry" not in skills()
    change(ada)
    assert b"Poetry" in skills()
    assert b"Poetry" in skills(str(ada.pk))


GONE = {
    "row": lambda ada: Skill.objects.get().delete(),
    "rows": lambda ada: Skill.objects.all().delete(),
}


@committed
@pytest.mark.parametrize("delete", GONE.values(), ids=GONE)
def test_a_part_that_is_gone_is_gone(ada, delete):
    assert b"Analysis" in skills()
    delete(ada)
    assert b"Analysis" not in skills()


@committed
def test_a_cascade_takes_all_of_it(ada):
    shown(), skills()
    ada.owner.delete()
    for look in (shown, skills):
        with pytest.raises(Problem):
            look()


@committed
def test_a_profile_renamed_twice_vanishes_from_each_old_address(ada):
    ada = Profile.objects.get()
    shown("ada")
    save(ada, slug="lovelace")
    shown("lovelace")
    save(ada, slug="byron")
    for old in ("ada", "lovelace"):
        with pytest.raises(Problem):
            shown(old)
    assert shown("byron")


@committed
def test_a_profile_read_without_its_slug_is_seen_all_the_same(ada):
    partly = Profile.objects.defer("slug").get()
    shown()
    save(partly, display_name="Lovelace")
    assert b"Lovelace" in shown()


@committed
def test_an_address_that_led_nowhere_leads_somewhere_at_once(ada):
    with pytest.raises(Problem):
        shown("byron")
    Profile.objects.create(
        owner=ada.owner, slug="byron", display_name="Byron", visibility="unlisted"
    )
    assert b"Byron" in shown("byron")


@committed
def test_a_change_of_one_profile_leaves_the_others_kept(ada):
    Profile.objects.create(owner=ada.owner, slug="byron", display_name="Byron", visibility="public")
    shown("byron")
    save(ada, display_name="Lovelace")
    assert profiles.detail("byron", user=NOBODY)[0].outcome == Outcome.HIT
