"""Chromium on the live server; what the console complains about fails the test."""

import os
import shutil

import pytest
from django.contrib.auth.models import Group, User
from django.db import connections
from playwright.sync_api import sync_playwright

ARGUMENTS = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def chromium(django_db_setup):
    """No longer than a module: while Playwright's event loop runs in this thread, no test of
    another module could run one of its own.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: CI must install it.")
        pytest.skip("no Chromium on PATH")
    connection = connections["default"]
    with sync_playwright() as playwright:
        # Beside Playwright's event loop Django's connections are another context's: the tests
        # that come after need the one that knows what the migrations loaded.
        connections["default"] = connection
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        # Playwright's loop lives in this thread; Django would refuse every query beside it.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        yield browser
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        browser.close()


@pytest.fixture
def open_admin(chromium, live_server, transactional_db, empty_cache):
    """Return a function that gives a logged-in page: (scheme, width, zone, role) -> page.

    ``role``: of perfops, "" for a superuser. What is cached is forgotten, for else the tests
    together would sign in too often.
    """
    User.objects.create_superuser("chief", password="chief-of-all")
    contexts, complaints = [], []

    def opened(scheme="light", width=1280, zone="UTC", role=""):
        if role:
            user = User.objects.create_user(role, password="chief-of-all", is_staff=True)
            user.groups.add(Group.objects.get(name=f"performance {role}"))
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, timezone_id=zone
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.goto(f"{live_server.url}/admin/login/")
        page.fill("#id_username", role or "chief")
        page.fill("#id_password", "chief-of-all")
        page.click("[type=submit]")
        page.wait_for_selector("#logout-form")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
