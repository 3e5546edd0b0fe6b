"""The examples of both APIs: each curl is asked as it stands, and answered as it says."""

import re
import shlex
from datetime import timedelta
from string import Template

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import path
from django.utils import timezone
from ninja import NinjaAPI

from midst.accounts import services as accounts
from perfops.models import Finding
from perfops.rest.access import SessionGuard
from tests.perfops.rest.test_operations import member

DOCS = settings.BASE_DIR / "docs"
PAGE = (DOCS / "perfops-api.md").read_text()
HOST = "http://127.0.0.1:3001"


def asked(command):
    words = shlex.split(command)
    assert words.pop(0) == "curl"
    options = {"-H": [], "-d": [], "-X": []}
    addresses = []
    while words:
        word = words.pop(0)
        if word in options:
            options[word].append(words.pop(0))
        elif word != "-s":
            addresses.append(word.removeprefix(HOST))
    (address,) = addresses
    headers = dict(each.split(": ", 1) for each in options["-H"])
    method = (options["-X"] or (["POST"] if options["-d"] else ["GET"]))[0]
    return Client().generic(
        method,
        address,
        "".join(options["-d"]),
        content_type=headers.pop("Content-Type", ""),
        headers=headers,
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache")
def test_each_example_is_answered_as_it_says():
    now = timezone.now()
    finding = Finding.objects.create(
        database="default", fingerprint="f", advisor="unused_indexes", object="public.x",
        severity="error", title="x", why="w", remedy="r", first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    access = accounts.start_session(member("administrator")).access
    tomorrow = (now + timedelta(days=1)).isoformat()
    known = {"MIDST": HOST, "ACCESS": access, "FINDING": finding.pk, "TOMORROW": tomorrow}
    follow(PAGE, known)


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache", "world")
def test_each_example_of_profiles_is_answered_as_it_says():
    user = get_user_model().objects.create_user("lovelace", password="correct horse battery")
    access = accounts.start_session(user).access
    page = (DOCS / "api.md").read_text().replace('"ada"', '"lovelace"').replace("/ada", "/lovelace")
    follow(page, {"MIDST": HOST, "ACCESS": access})


def follow(page, known):
    """Ask each block of ``page``; what an answer gives is known to those that follow."""
    blocks = re.findall(r"^```sh\n# (\d+)[^\n]*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == page.count("```sh") == page.count("curl -s")
    for status, command in blocks:
        answer = asked(Template(command.replace("\\\n", " ")).substitute(known))
        assert answer.status_code == int(status), (command, answer.content)
        if not answer.content:
            continue
        if "token" in (found := answer.json()):
            known["TOKEN"] = found["token"]
        if "Location" in answer and status == "201" and "runs" in answer["Location"]:
            known["RUN"] = found["id"]
        if "counts" in found:
            known["WAIVER"] = found["id"]


@pytest.mark.django_db
def test_the_router_works_in_an_api_of_ones_own(settings, client):
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names = {"api": NinjaAPI(urls_namespace="guide"), "guard": SessionGuard, "path": path}
    for block in blocks:
        exec(block, names)
    # The last block is an API of one's own, the one before has the URLs of perfops' API.
    settings.ROOT_URLCONF = type(
        "urls", (), {"urlpatterns": [*names["urlpatterns"], path("own/", names["api"].urls)]}
    )
    client.force_login(member("viewer"))
    assert client.get("/perfops/api/budgets").status_code == 200
    assert client.get("/own/perfops/budgets").status_code == 200
    assert (
        client.get("/own/perfops/budgets/987654").json()["detail"] == "There is no budget 987654."
    )
