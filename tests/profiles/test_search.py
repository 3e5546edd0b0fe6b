"""Full-text search: what is found, what never is, in which order, and that it stays in step."""

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kombu.exceptions import OperationalError

from profiles.models import Profile, Skill
from profiles.selectors import search
from profiles.tasks import refresh_search
from taxonomy.models import Mask
from tests.world import commit, database_parameters, meanwhile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
COUNT_OF_LISTED = "SELECT count(*) FROM profiles_profile WHERE visibility = 'public' AND is_active"


# What is special to words, to their spelling, or to PostgreSQL's parser.
SPECIAL = (
    "aA\u03c3\u03a3\u03c2ßẞS\u0130\u0131ŁøÞéé'`\u00b4\u2019\u0149\u0301\u00ad\u200b"
    " .,/-_@:+&<>%\\0159½²ﬁ\u1e9e\u2014\u3000"
)


def find(client, words, **query):
    answer = client.get("/api/v1/profiles", {"q": words, **query})
    assert answer.status_code == 200, answer.content
    return [each["slug"] for each in answer.json()["results"]]


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT profile_id, document::text FROM profiles_profilesearch ORDER BY 1")
        return cursor.fetchall()


def check_in_step():
    """What the triggers have stored is what is stored when all is read anew."""
    before = stored()
    with connection.cursor() as cursor:
        cursor.execute(COUNT_OF_LISTED)
        assert len(before) == cursor.fetchone()[0]
        cursor.execute("SELECT profiles_search_refresh(array_agg(id)) FROM profiles_profile")
    assert stored() == before


def test_names_count_most_then_titles_and_skills_then_headlines(client, make_profile):
    make_profile("by-headline", display_name="A", headline="all about analysis")
    make_profile("by-skill", display_name="B")
    Skill.objects.create(profile=Profile.objects.get(slug="by-skill"), name="Analysis")
    make_profile("by-name", display_name="Ann Analysis")
    make_profile("not-at-all", display_name="C", summary="analysis", location="analysis")
    assert find(client, "ANALYSIS") == ["by-name", "by-skill", "by-headline"]


def test_every_word_must_be_there_whole_in_any_field_with_or_without_accents(client, make_profile):
    make_profile("jose", display_name="José Ångström", title="Data Scientist")
    make_profile("joseph", display_name="Joseph", title="Data Scientist")
    for words in (
        "jose data",
        "JOSÉ scientist",
        "angstrom",
        "ångström jose\u0301",
        "\uff44\uff41\uff54\uff41 José",
    ):
        assert find(client, words) == ["jose"], words
    assert find(client, "jose designer") == []
    assert find(client, "scientist -jose") == ["jose"]


APART = {
    "UI/UX Lead": ["ux", "ui", "UI/UX", "lead ux"],
    "Node.js": ["node", "js", "node.js", "Node JS"],
    "C/C++, TCP/IP": ["c", "c++", "tcp", "ip c"],
    "Seán O'Brien": ["obrien", "brien", "o'brien", "O\u2019Brien", "o\u00b4brien", "sean o brien"],
    "OBrien": ["o'brien"],
    "Rock\u2019n\u2019roll": ["rocknroll", "rock'n'roll", "roll", "rock roll"],
    "Jean-Luc_Picard": ["luc", "picard", "jean-luc"],
    "Ada\u2014Grace (née King)": ["ada", "grace", "nee king"],
    "a@example.com and/or b:c": ["example", "or", "c"],
    "ΟΔΥΣΣΕΥΣ": ["οδυσσευς", "Οδυσσεύς", "οδυσσευσ"],
    "οδυσσεύς": ["ΟΔΥΣΣΕΥΣ"],
    "Straße": ["STRASSE", "strasse", "STRA\u1e9eE"],
    "STRASSE": ["straße"],
    "Łódź Øresund Ægir Þór \u0131l\u0131k": ["lodz", "oresund", "aegir", "thor", "ILIK"],
}


@pytest.mark.parametrize(("title", "asked"), APART.items())
def test_words_are_found_apart_and_letters_in_any_spelling(client, make_profile, title, asked):
    make_profile("it", title=title)
    assert {words: find(client, words) for words in asked} == {key: ["it"] for key in asked}
    check_in_step()


def test_only_public_active_profiles_are_found_even_by_their_owner(world):
    def found():
        return {who.get("/profiles?q=ada").json()["results"] != [] for who in everybody}

    everybody = (world.nobody, world.owner, world.other, world.staff)
    assert found() == {True}
    hidden = ({"visibility": "private"}, {"visibility": "unlisted"}, {"is_active": False})
    for fields in hidden:
        Profile.objects.filter(slug="ada").update(**fields)
        commit()
        assert found() == {False}
        Profile.objects.filter(slug="ada").update(visibility="public", is_active=True)
        commit()
        assert found() == {True}
    world.owner.delete("/profiles/ada")
    commit()
    assert found() == {False}
    check_in_step()


def test_skills_that_the_masks_redaction_leaves_out_are_not_found(client, make_profile):
    mask = Mask.objects.get(slug="analyst")
    profile = make_profile(default_mask=mask)
    Skill.objects.create(profile=profile, name="Lockpicking", tags=["Secret", "craft"])
    commit()
    assert find(client, "lockpicking") == ["ada"]
    for redaction in ({"private_tags": ["SECRET"]}, {"excluded_entities": ["Skill"]}):
        for name, value in redaction.items():
            setattr(mask, name, value)
        mask.save()
        commit()
        assert find(client, "lockpicking") == []
        check_in_step()
        mask.private_tags, mask.excluded_entities = [], ["award"]
        mask.save()
        commit()
        assert find(client, "lockpicking") == ["ada"]
    mask.private_tags = ["secret"]
    mask.save()
    profile.default_mask = None
    profile.save()
    commit()
    assert find(client, "lockpicking") == ["ada"]


def test_a_mask_of_many_profiles_hides_at_once_and_a_task_lets_them_be_found_again(
    client, make_profile, owner, monkeypatch
):
    """All in one statement it would be a minute for 100,000 profiles, longer than any may take."""
    queued = []
    monkeypatch.setattr(refresh_search, "apply_async", lambda args, **_: queued.append(args))
    mask = Mask.objects.get(slug="analyst")
    fields = {"owner": owner, "visibility": "public", "default_mask": mask}
    Profile.objects.bulk_create(
        Profile(slug=f"p-{n}", display_name=f"Number{n}", **fields) for n in range(501)
    )
    first = Profile.objects.get(slug="p-0")
    Skill.objects.create(profile=first, name="Lockpicking", tags=["secret"])
    Skill.objects.create(profile=first, name="Chess")
    mask.tone = "warm"
    mask.save()
    commit()
    assert queued == []
    assert find(client, "lockpicking") == find(client, "chess") == ["p-0"]
    mask.private_tags = ["secret"]
    mask.save()
    commit()
    assert queued == [(mask.pk,)]
    assert find(client, "lockpicking") == find(client, "chess") == []
    refresh_search(mask.pk)
    commit()
    assert find(client, "lockpicking") == []
    assert find(client, "chess") == ["p-0"]
    assert find(client, "number500") == ["p-500"]
    check_in_step()


def test_a_mask_is_saved_though_the_broker_is_away(make_profile, monkeypatch, caplog):
    def away(*args, **options):
        raise OperationalError("away")

    monkeypatch.setattr(refresh_search, "apply_async", away)
    mask = Mask.objects.get(slug="analyst")
    make_profile(default_mask=mask)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM profiles_profilesearch")
    mask.save()
    commit()
    assert "Save the mask again" in caplog.text


def test_an_answer_is_cached_until_a_profile_or_a_skill_changes(world):
    def ask(words):
        answer = world.nobody.get(f"/profiles?q={words}")
        return answer["X-Cache"], [each["slug"] for each in answer.json()["results"]]

    assert ask("poetry") == ("MISS", [])
    assert ask("Poetry") == ("HIT", [])
    made = world.owner.post("/profiles/ada/skills", {"name": "Poetry"}).json()
    commit()
    assert ask("poetry") == ("MISS", ["ada"])
    world.owner.patch(f"/profiles/ada/skills/{made['id']}", {"name": "Prose"})
    commit()
    assert ask("poetry") == ("MISS", [])
    assert ask("prose") == ("MISS", ["ada"])
    world.owner.delete(f"/profiles/ada/skills/{made['id']}")
    commit()
    assert ask("prose") == ("MISS", [])
    world.owner.patch("/profiles/ada", {"headline": "Poetry and prose"})
    commit()
    assert ask("poetry") == ("MISS", ["ada"])
    check_in_step()


def test_rows_written_many_at_once_are_found(client, make_profile, owner):
    fields = {"owner": owner, "visibility": "public"}
    Profile.objects.bulk_create(
        Profile(slug=f"p-{n}", display_name=f"Number{n}", **fields) for n in range(3)
    )
    first, second, third = Profile.objects.order_by("slug")
    Skill.objects.bulk_create(Skill(profile=each, name="Chess") for each in (first, second))
    commit()
    assert sorted(find(client, "chess")) == ["p-0", "p-1"]
    Skill.objects.update(profile=third)
    Profile.objects.update(title="Master")
    commit()
    assert find(client, "chess master") == ["p-2"]
    check_in_step()


def test_a_profile_with_more_skills_than_a_document_holds_is_found_by_the_first(
    client, make_profile
):
    profile = make_profile()
    Skill.objects.bulk_create(
        Skill(profile=profile, name=f"{'x' * 90} s{n}", position=n) for n in range(1200)
    )
    commit()
    assert find(client, "s499") == ["ada"]
    assert find(client, "s500") == []


def walk(client, link, way):
    pages = []
    while link:
        pages.append(client.get(link).json())
        link = pages[-1][way]
    return pages


def test_pages_hold_every_match_once_in_both_directions(client, make_profile):
    for n in range(11):
        make_profile(f"p-{n}", display_name="Ada" if n % 3 else "Ada Ada", title="Analyst")
    forth = walk(client, "/api/v1/profiles?q=ada&limit=2", "next")
    met = [each["slug"] for page in forth for each in page["results"]]
    assert len(met) == len(set(met)) == 11
    assert met == find(client, "ada")
    back = walk(client, forth[-1]["previous"], "previous")
    assert [each["slug"] for page in back[::-1] for each in page["results"]] == met[:-1]


def test_a_search_is_one_query_whatever_the_page(client, make_profile):
    for n in range(30):
        make_profile(f"p-{n}")
    for limit in (1, 100):
        with CaptureQueriesContext(connection) as run:
            assert len(find(client, "ada", limit=limit)) == min(limit, 30)
        assert len(run) == 1


@pytest.mark.parametrize(
    ("often", "newest", "found"),
    [(99, 8, [9, 8, 7]), (99, 2, [9, 8]), (1, 8, [9, 8, 7])],
    ids=["among the newest", "but few are looked at", "frequent in the sample"],
)
def test_of_many_matches_the_newest_are_ranked(
    client, make_profile, monkeypatch, often, newest, found
):
    for n in range(10):
        make_profile(f"p-{n}", display_name="Ada" if n % 10 else "Ada only")
    for name, value in (("MOST", 3), ("OFTEN", often), ("NEWEST", newest)):
        monkeypatch.setattr(search, name, value)
    assert find(client, "ada") == [f"p-{n}" for n in found]
    # Few match: all of them are ranked, however old.
    monkeypatch.setattr(search, "OFTEN", 99)
    assert find(client, "only") == ["p-0"]


@pytest.mark.parametrize(
    "query",
    [
        {"q": " "}, {"q": "!?"}, {"q": "/"}, {"q": "\u00b4"}, {"q": "\u0301"},
        {"q": "\u2019 \u0301-"}, {"q": "\u093e"}, {"q": "x" * 201}, {"q": "a\x00"},
        {"q": "a", "name": "b"},
        {"q": "a", "created_from": "2026-01-01T00:00:00Z"}, {"q": "a", "cursor": "xyz"},
    ],
)  # fmt: skip
def test_what_can_not_be_searched_for_is_a_422(client, query):
    answer = client.get("/api/v1/profiles", query)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"].startswith("query.")
    if len(query) == 1 and len(query["q"]) < 200:
        assert "at least one letter or digit" in error["message"]


def test_words_that_grow_in_their_plain_spelling_stay_as_short_as_one_may_send():
    assert len("\ufdfa" * 20) < len(search.plain("\ufdfa" * 20)) == search.LONGEST


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=30) | st.text(SPECIAL, max_size=12))
@example(words="' & | ! ( ) :* <-> \\ \"")
@example(words="½ ² \u0149 \u1e9e \u0130")
def test_no_words_break_it_and_both_sides_spell_them_alike(client, words):
    assert client.get("/api/v1/profiles", {"q": words}).status_code in {200, 422}
    if "\x00" in words:
        return
    spelled = search.plain(words)
    assert search.plain(spelled) == spelled
    with connection.cursor() as cursor:
        cursor.execute("SELECT profiles_search_plain(%s)", [words])
        assert spelled in {cursor.fetchone()[0][: search.LONGEST], ""}
        # Each is found by itself.
        cursor.execute(
            "SELECT to_tsvector('simple', profiles_search_words(%s)) "
            "@@ plainto_tsquery('simple', %s) OR numnode(plainto_tsquery('simple', %s)) = 0",
            [words, spelled, spelled],
        )
        assert cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_seeded_profiles_are_found_and_writers_at_the_same_time_lose_nothing(client):
    call_command("seed", profiles=40)
    check_in_step()
    ravi = Profile.objects.get(slug="ravi-castellanos")
    with psycopg.connect(**database_parameters()) as first:
        first.execute(
            "INSERT INTO profiles_skill (id, profile_id, position, tags, name, category, level, "
            "created_at, updated_at) VALUES (gen_random_uuid(), %s, 99, '{}', 'juggling', '', 3, "
            "now(), now())",
            [ravi.pk],
        )

        def rename():
            with psycopg.connect(**database_parameters()) as second:
                second.execute(
                    "UPDATE profiles_profile SET title = 'acrobat' WHERE id = %s", [ravi.pk]
                )

        with meanwhile(rename) as other:
            while not first.execute(WAITING, [first.info.backend_pid]).fetchone():
                assert not other.done(), "it should wait for the lock on the profile"
            first.commit()
    assert find(client, "juggling acrobat") == ["ravi-castellanos"]
    check_in_step()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_change_of_a_mask_and_the_reading_of_its_profiles_do_not_wait_in_a_circle(owner):
    mask = Mask.objects.get(slug="analyst")
    fields = {"owner": owner, "visibility": "public", "default_mask": mask}
    made = Profile.objects.bulk_create(
        Profile(slug=f"p-{n}", display_name="x", **fields) for n in range(501)
    )
    first, last = (each(profile.pk for profile in made) for each in (min, max))
    touch = "UPDATE profiles_profilesearch SET document = document WHERE profile_id = %s"
    with psycopg.connect(**database_parameters(), autocommit=True) as other:
        # The first one now stands behind the others in both tables.
        other.execute(touch, [first])
        other.execute("UPDATE profiles_profile SET updated_at = now() WHERE id = %s", [first])

    def change():
        with psycopg.connect(**database_parameters()) as second:
            second.execute("UPDATE taxonomy_mask SET private_tags = '{x}' WHERE id = %s", [mask.pk])

    with psycopg.connect(**database_parameters()) as other:
        other.execute(touch, [first])
        with meanwhile(change) as changing:
            while not other.execute(WAITING, [other.info.backend_pid]).fetchone():
                assert not changing.done(), changing.result()
            other.execute(touch, [last])
            other.commit()
            changing.result()
    assert stored() == []
