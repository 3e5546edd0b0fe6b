"""Each index is there because a query needs it: on a full table the planner uses it."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from midst.kernel import pagination
from profiles.models import Profile
from profiles.selectors import profiles, search
from tests.explain import nodes

ROWS = 20_000


@pytest.fixture(scope="module")
def full_table(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        owner = get_user_model().objects.create_user("owner of many")
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO profiles_profile (
                    id, owner_id, slug, display_name, title, headline, summary, location, email,
                    phone, website, avatar_url, languages, interests, visibility, is_active,
                    created_at, updated_at)
                SELECT gen_random_uuid(), CASE WHEN n %% 100 = 0 THEN %s ELSE %s END,
                    'row-' || n, 'Row ' || n, '', '', repeat('x', 200), '',
                    'row' || n || '@example.com',
                    '', '', '', '{}', '{}', CASE WHEN n %% 10 = 0 THEN 'private' ELSE 'public' END,
                    n %% 50 <> 7, now() - n * interval '1 minute', now()
                FROM generate_series(1, %s) n
                """,
                [owner.pk, get_user_model().objects.create_user("owner of more").pk, ROWS],
            )
            cursor.execute("ANALYZE profiles_profile, profiles_profilesearch")
        yield owner
        with connection.cursor() as cursor:
            # Nothing hangs on them, and Django would look for it row by row.
            cursor.execute("DELETE FROM profiles_profile")
        get_user_model().objects.all().delete()


def page(*cursor):
    queryset = Profile.objects.listed()
    if cursor:
        queryset = queryset.filter(pagination.beyond(pagination.Cursor(*cursor), pagination.NEWEST))
    return queryset.order_by("-created_at", "-id")[:21]


@pytest.mark.django_db
def test_the_list_walks_its_index(full_table):
    assert nodes(page()) == ["Limit", "Index Scan profiles_profile_newest"]


@pytest.mark.django_db
def test_a_page_far_down_seeks_in_the_index(full_table):
    row = Profile.objects.listed().order_by("created_at")[100]
    found = nodes(page(row.created_at, row.pk))
    assert found == ["Limit", "Index Scan profiles_profile_newest"]


@pytest.mark.django_db
def test_by_date_range_walks_the_same_index(full_table):
    row = Profile.objects.listed().order_by("created_at")[1000]
    queryset = Profile.objects.listed().filter(created_at__lt=row.created_at)
    found = nodes(queryset.order_by("-created_at", "-id")[:20])
    assert found == ["Limit", "Index Scan profiles_profile_newest"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lookup", "index"),
    [
        ({"email": "row77@example.com"}, "profiles_profile_email"),
        ({"slug": "row-77"}, "profiles_profile_slug"),
    ],
)
def test_a_look_up_uses_its_index(full_table, lookup, index):
    (only,) = nodes(Profile.objects.filter(**lookup))
    assert only.startswith(f"Index Scan {index}")


@pytest.mark.django_db
def test_by_owner_uses_the_index(full_table):
    mine = Profile.objects.filter(owner=full_table)
    assert nodes(mine.order_by("-created_at", "-id")[:21]) == [
        "Limit",
        "Index Scan profiles_profile_owner",
    ]


@pytest.mark.django_db
def test_staff_finds_the_inactive_ones_without_a_walk_through_the_rest(full_table):
    inactive = Profile.objects.filter(is_active=False)
    assert nodes(inactive.order_by("-created_at", "-id")[:100]) == [
        "Limit",
        "Index Scan profiles_profile_inactive",
    ]


@pytest.mark.django_db
def test_names_that_begin_so_are_sought_in_their_index(full_table):
    found = nodes(profiles.beginning_with("ROW 1").order_by("name", "id")[:21])
    assert found == ["Limit", "Index Scan profiles_profile_name"]


@pytest.mark.django_db
def test_a_page_far_down_the_names_seeks_too(full_table):
    order = profiles.BY_NAME
    row = profiles.beginning_with("row 1").order_by("name", "id").values_list("name", "id")[2000]
    beyond = profiles.beginning_with("row 1").filter(
        pagination.beyond(pagination.Cursor(*row), order)
    )
    found = nodes(beyond.order_by("name", "id")[:21])
    assert found == ["Limit", "Index Scan profiles_profile_name"]


@pytest.mark.django_db
@pytest.mark.parametrize("words", ["77", "row", "row 77"])
def test_a_search_reads_no_whole_table_however_frequent_its_words(full_table, words):
    found = nodes(search.matching(words, "slug").order_by("-rank", "-id")[:21])
    assert "Bitmap Index Scan profiles_search_document" in found
    assert not [node for node in found if node.startswith("Seq Scan")], found
