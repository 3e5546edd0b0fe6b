"""The pages of accounts, profiles and the taxonomy as the people see them who keep these."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from midst.accounts import services as accounts
from midst.accounts.models import Scope, Session
from midst.accounts.throttle import LOGIN_BY_ACCOUNT
from profiles import seeding
from profiles.models import Entry, Experience, Profile, UsageQuota, UserUsage
from taxonomy.models import Mask
from tests.browser.conftest import PATIENCE_MS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
APPS = ("accounts", "profiles", "taxonomy")
MODELS = [
    model
    for app in APPS
    for model in apps.get_app_config(app).get_models()
    if model in admin.site._registry
]
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3


def url(live_server, model, page, *arguments):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return live_server.url + reverse(name, args=arguments)


@pytest.fixture
def full(transactional_db):
    """Two pages of profiles, one of them with everything at its longest."""
    seeding.handmade()
    seeding.seed(profiles=120, seed=5)
    owner = get_user_model().objects.create_user("o" * 120)
    longest = Profile.objects.create(
        owner=owner, slug="w" * 80, display_name=LONG, title=LONG, headline=LONG, email="a@b.cd",
        interests=["x" * 50] * 10, visibility="public",
    )  # fmt: skip
    used = {
        "feature": "exports", "used": 1, "period_start": timezone.now(),
        "period_end": timezone.now() + timedelta(30),
    }  # fmt: skip
    UsageQuota.objects.create(profile=longest, **used)
    UserUsage.objects.create(user=owner, **used)
    accounts.issue_api_token(
        owner, name="n" * 60, scopes=list(Scope),
        expires_at=timezone.now() + timedelta(30),
    )  # fmt: skip
    accounts.start_session(owner)
    return longest


def pages(live_server):
    """Every list, the first row's own page, and a few more; all CV entries have the same."""
    for model in MODELS:
        yield url(live_server, model, "changelist")
        if not issubclass(model, Entry) or model is Experience:
            yield url(live_server, model, "change", model._default_manager.first().pk)
    for model in (Profile, Mask):
        yield url(live_server, model, "add")
        yield url(live_server, model, "delete", model._default_manager.first().pk)
    yield live_server.url + reverse("admin:auth_user_changelist")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_page_opens_and_fits_its_window(open_admin, live_server, full, scheme, width):
    page = open_admin(scheme, width)
    for address in pages(live_server):
        assert page.goto(address).status == 200, address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_lists_without_a_row_fit_as_well(open_admin, live_server):
    page = open_admin("light", 390)
    for model in (Profile, Experience, Session):
        page.goto(url(live_server, model, "changelist"))
        assert "0 " in page.inner_text(".paginator")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_profile_is_found_by_its_slug_and_saved_as_it_was(open_admin, live_server, full):
    page = open_admin()
    page.goto(url(live_server, Profile, "changelist"))
    before = Profile.objects.filter(slug__endswith="-5-7").values().get()
    page.fill("#searchbar", before["slug"])
    page.click("[type=submit][value=Search]")
    page.click(f"#result_list a:text-is('{before['display_name']}')")
    page.click("[name=_save]")
    page.wait_for_selector(".messagelist .success")
    after = Profile.objects.values().get(pk=before["id"])
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_who_guesses_passwords_is_told_to_wait(chromium, live_server, empty_cache, scheme, width):
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live_server.url}/admin/login/")
    # The delay doubles with each guess: sooner or later a slow browser comes too early as well.
    guesses = 0
    while not page.is_visible("text=Too many attempts"):
        assert guesses < LOGIN_BY_ACCOUNT.free + 8
        assert guesses == 0 or page.is_visible(".errornote")
        page.fill("#id_username", "somebody")
        page.fill("#id_password", "a guess")
        with page.expect_navigation():
            page.click("[type=submit]")
        guesses += 1
    assert guesses > LOGIN_BY_ACCOUNT.free
    assert re.search(r"\d+ seconds?, then try again", page.inner_text("#content"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#content a")
    page.wait_for_selector("#id_password")
    assert complaints == []
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_api_documentation_fits_and_opens_an_endpoint(open_admin, live_server, width):
    page = open_admin("light", width)
    page.goto(f"{live_server.url}/api/v1/docs")
    page.click("text=List public profiles")
    page.wait_for_selector(".opblock.is-open .responses-table")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
