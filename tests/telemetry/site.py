"""Settings and addresses of a small site that touches everything, and breaks in every way."""

from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.urls import path

from midst.settings.test import *  # noqa: F403
from midst.settings.test import INSTALLED_APPS as _INSTALLED_APPS

ROOT_URLCONF = "tests.telemetry.site"
INSTALLED_APPS = [*_INSTALLED_APPS, "tests.telemetry.breaking"]
SECRETS = ("ada@example.org", "hunter2-password", "midst_0123456789abcdef", "sid=cookie-value")


def everything(request):
    """PostgreSQL, Redis and Celery in one request."""
    from midst.accounts.tasks import clear_expired

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM taxonomy_mask")
    cache.get("nothing")
    clear_expired.delay()
    return HttpResponse("done")


def broken(request, number):
    password = SECRETS[1]
    raise ValueError(f"{SECRETS[0]} came with {SECRETS[2]} {len(password)}")


def refused(request):
    from django.core.exceptions import PermissionDenied

    raise PermissionDenied


urlpatterns = [
    path("everything", everything),
    path("broken/<int:number>", broken),
    path("refused", refused),
]
