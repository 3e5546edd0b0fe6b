"""N+1 without a line of the project: by route, with template or view and the relation followed."""

from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client, override_settings

from perfops.origins import middleware
from perfops.origins.relations import relation_of
from tests.perfops.origins.shop import library

HERE = "tests/perfops/origins/shop"
ADMIN = f"{library.__name__}.PermissionAdmin"
LIBRARY = override_settings(
    MIDDLEWARE=[middleware.PATH, f"{library.__name__}.chief_middleware"],
    ROOT_URLCONF=library.__name__,
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [Path(library.__file__).parent / "templates"],
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                ]
            },
        }
    ],
)


@pytest.fixture
def entries(db):
    for number in range(6):
        LogEntry.objects.create(
            user=User.objects.create(username=f"user {number}"), action_flag=1, object_repr="x"
        )


@LIBRARY
@pytest.mark.usefixtures("entries")
def test_a_list_view_has_the_line_of_its_template_and_the_relation(counted):
    assert Client().get("/entries/").status_code == 200
    ((sent, count),) = counted('FROM "auth_user"').items()
    assert (sent.name, sent.site.line) == ("GET /entries/", f"{HERE}/templates/entries.html:3")
    assert (count.calls, count.repeated_calls, count.relation) == (6, 6, "admin.LogEntry.user")


@LIBRARY
@pytest.mark.django_db
def test_a_changelist_has_its_model_admin_and_the_relation(counted):
    Permission.objects.all().delete()
    for number in range(6):
        kind = ContentType.objects.create(app_label="shop", model=f"kind{number}")
        Permission.objects.create(content_type=kind, codename="x", name="x")
    assert Client().get("/admin/auth/permission/").status_code == 200
    repeated = {s: c for s, c in counted('FROM "django_content_type"').items() if c.calls == 6}
    ((sent, count),) = repeated.items()
    assert (sent.name, sent.site.function) == ("GET /admin/auth/permission/", ADMIN)
    assert sent.site.line.startswith(f"{HERE}/library.py:")
    assert count.relation == "auth.Permission.content_type"


@LIBRARY
@override_settings(
    MIDDLEWARE=[
        middleware.PATH,
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.RemoteUserMiddleware",
    ]
)
@pytest.mark.django_db
def test_what_a_librarys_middleware_reads_of_a_request_says_so(counted):
    client = Client()
    client.force_login(User.objects.create(username="ada"))
    assert client.get("/entries/").status_code == 200
    by = "read by django.contrib.auth.middleware.RemoteUserMiddleware"
    for table, what in (("django_session", "request.session"), ("auth_user", "request.user")):
        of_request = [sent for sent in counted(f'FROM "{table}"') if sent.kind == "request"]
        assert [sent.site.function for sent in of_request] == [f"{what}, {by}"]


OF_USER = 'SELECT x FROM "django_admin_log" WHERE "django_admin_log"."user_id" = %s'
GROUPS = """SELECT x FROM "auth_group" INNER JOIN "auth_user_groups" ON
 ("auth_group"."id" = "auth_user_groups"."group_id") WHERE "auth_user_groups"."user_id" = %s"""
COUNT = """SELECT COUNT(*) AS "__count" FROM "auth_permission"
 WHERE "auth_permission"."content_type_id" = %s"""


@pytest.mark.parametrize(
    ("followed", "text", "view", "remedy"),
    [
        ("admin.LogEntry.user", "SELECT 1", "", "select_related('user') on the queryset that"),
        ("auth.Permission.content_type", "SELECT x", ADMIN, f"['content_type'] in {ADMIN}"),
        ("", OF_USER, "", "prefetch_related('logentry_set') on the queryset that reads auth.User"),
        ("", GROUPS, ADMIN, "super().get_queryset(request).prefetch_related('groups')"),
        ("", COUNT, "", "annotate(Count('permission'))"),
    ],
)
def test_the_remedy_names_the_relation_exactly(followed, text, view, remedy):
    text = " ".join(text.split())
    relation = relation_of(followed, text)
    assert remedy in relation.remedy(text, view)


@pytest.mark.parametrize(
    ("followed", "text"),
    [
        ("gone.Model.field", ""),
        ("auth.User.gone", ""),
        ("", 'SELECT x FROM "auth_user" WHERE "auth_user"."username" = %s'),
        ("", 'SELECT x FROM "nobodys" WHERE "nobodys"."id" = %s'),
        ("", "SELECT 1"),
    ],
)
def test_what_follows_no_relation_has_none(followed, text):
    assert relation_of(followed, text) is None
