"""No query string of any list in the admin ends in a server error."""

import logging

import pytest
from django.contrib import admin
from django.db import transaction
from django.db.models import CharField, DateField
from django.urls import reverse

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
VALUES = ["-1", "\0", "9" * 30]
YEARS = ["__year", "__iso_year"]
OWN = ["p", "o", "q", "_to_field", "_popup", "e", "_facets"]
LOOKUPS = ["__exact", "__in"]


def models():
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def client_of_staff(admin_client):
    admin_client.raise_request_exception = False
    logging.disable(logging.CRITICAL)
    yield admin_client
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("model", models(), ids=lambda model: model._meta.label)
def test_no_parameter_of_a_list_is_a_server_error(model, client_of_staff):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    listed = admin.site._registry[model].list_filter
    fields = [each for each in listed if isinstance(each, str)][:1] or ["id"]
    names = [*OWN, *(f"{field}{lookup}" for field in fields for lookup in LOOKUPS)]
    dates = [each.name for each in model._meta.fields if isinstance(each, DateField)][:1]
    names += [f"{field}{lookup}" for field in dates for lookup in YEARS]
    failed = [
        (name, value)
        for name in names
        for value in VALUES
        if client_of_staff.get(url, {name: value}).status_code >= 500
    ]
    assert failed == []


def test_no_lookup_of_a_list_is_a_server_error(client_of_staff):
    """Packages' lists take every lookup of their own fields."""
    url = reverse("admin:django_celery_beat_crontabschedule_changelist")
    failed = []
    for lookup in CharField.get_lookups():
        before = transaction.savepoint()
        if client_of_staff.get(url, {f"minute__{lookup}": "1"}).status_code >= 500:
            failed.append(lookup)
        transaction.savepoint_rollback(before)
    assert failed == []


def test_what_no_list_takes_is_logged_once_with_its_reason(admin_client, caplog):
    url = reverse("admin:django_celery_beat_crontabschedule_changelist")
    assert admin_client.get(url, {"minute__range": "1"}).status_code == 400
    (logged,) = [each for each in caplog.records if each.exc_info]
    assert logged.exc_info[1].__cause__ is not None
