"""Every page of the admin that is not perfops' own: what each role gets, by looking and by a form.

perfops' own pages: ``tests/perfops/admin/test_roles.py``.
"""

import pytest
from django.contrib.auth.models import Group, User
from django.urls import URLPattern, get_resolver, reverse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache"), pytest.mark.slow]
RANKS = ("viewer", "operator", "administrator")
# What anybody of the staff has, and what the roles have beside perfops' pages.
STAFF = {"index", "password_change", "password_change_done", "jsi18n", "login", "logout"}
ROLES = {"cache": RANKS, "tasks": RANKS, "cache_clear": ("administrator",)}
# They answer by what they are asked about: a row of a model, or a field.
BY_WHAT_IS_ASKED = {"autocomplete", "view_on_site", "app_list"}


def pages(resolver=None, inside=False):
    """Return the name of every page of the admin, and how many parts its address takes."""
    for each in (resolver or get_resolver()).url_patterns:
        if not isinstance(each, URLPattern):
            yield from pages(each, inside or str(each.pattern).startswith("admin/"))
        elif inside and each.name and not each.name.startswith("perfops_"):
            yield each.name, len(each.pattern.converters or each.pattern.regex.groupindex)


def someone(client, role):
    user = User.objects.create_user(role, password="x", is_staff=True)
    if role in RANKS:
        user.groups.add(Group.objects.get(name=f"performance {role}"))
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", RANKS)
def test_a_role_gets_no_page_beside_those_that_it_is_for(client, role):
    someone(client, role)
    wrong, looked_at = {}, 0
    for name, parts in pages():
        if name in STAFF | BY_WHAT_IS_ASKED:
            continue
        for method in ("get", "post"):
            answer = getattr(client, method)(reverse(f"admin:{name}", args=["1"] * parts))
            looked_at += 1
            if role in ROLES.get(name, ()):
                right = answer.status_code in {200, 302}
            elif name.endswith("_history"):
                # Django looks for the row first, and says that there is none.
                right = answer.status_code in {302, 403}
            else:
                right = answer.status_code == 403
            if not right:
                wrong[name, method] = answer.status_code
    assert wrong == {}
    assert looked_at > 200


def test_no_page_of_the_admin_is_a_server_error_for_who_may_see_all(admin_client):
    wrong = {}
    for name, parts in pages():
        if name == "logout":
            continue
        arguments = ["perfops"] if name == "app_list" else ["1"] * parts
        answer = admin_client.get(reverse(f"admin:{name}", args=arguments))
        if answer.status_code not in {200, 302, 403, 404}:
            wrong[name] = answer.status_code
    assert wrong == {}
