"""Health checks come from addresses that no setting names."""

import pytest
from django.test import Client, override_settings

ADDRESSED_TO_A_POD = {"HTTP_HOST": "10.244.1.17:3001"}
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/health", "/ready"])
@override_settings(ALLOWED_HOSTS=["midst.example"], SECURE_SSL_REDIRECT=True)
def test_a_probe_is_answered_whatever_host_and_scheme_it_asks_for(path):
    assert Client().get(path, **ADDRESSED_TO_A_POD).status_code == 200


@override_settings(ALLOWED_HOSTS=["midst.example"])
def test_every_other_page_still_refuses_a_host_that_is_not_ours():
    assert Client().get("/api/v1/profiles", **ADDRESSED_TO_A_POD).status_code == 400


def test_a_probe_may_only_read():
    assert Client().post("/health", **ADDRESSED_TO_A_POD).status_code == 405
