"""The first page, and what a browser is shown when something is wrong."""

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_the_first_page_leads_to_operations_the_documentation_and_the_state(client):
    page = client.get("/")
    assert page.status_code == 200
    for address in ("/admin/", "/api/v1/docs", "/api/v1/openapi.json", "/status"):
        assert f'href="{address}"' in page.content.decode()
    assert client.get("/api/v1/docs").status_code == 200


def test_an_address_that_is_not_there_says_so_and_leads_on(client):
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert "There is no page at this address." in answer.content.decode()
    assert f'href="{reverse("landing")}"' in answer.content.decode()


def test_a_page_that_one_may_not_see_says_whom_to_ask(client):
    client.force_login(User.objects.create_user("someone", password="x", is_staff=True))
    answer = client.get(reverse("admin:perfops_loadrun_start"))
    assert answer.status_code == 403
    assert "ask an administrator" in answer.content.decode()


def test_a_failure_says_whose_fault_it_is_without_asking_anything(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("midst.accounts.throttle.require_login_attempt", lambda *_: 1 // 0)
    answer = client.post(reverse("admin:login"), {"username": "x", "password": "x"})
    assert answer.status_code == 500
    assert "this is our fault" in answer.content.decode()
    # Django renders it with neither a request nor a context.
    assert render_to_string("500.html") == answer.content.decode()
