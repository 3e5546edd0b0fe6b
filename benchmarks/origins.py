"""What noting the origin of every statement costs: per statement, and of a small ORM request.

    DATABASE_URL=postgres://... python benchmarks/origins.py

Without the wrapper and with it, in turn (A B A B ...) in one process, in CPU time, so that other
work on the machine counts little; medians of the rounds and of their ratios. ``per statement``
runs the wrapper around nothing, ``list request`` is Django's whole handling of a view that lists
20 rows with two statements.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("SECRET_KEY", "of-a-benchmark")

import django
from django.conf import settings

ROUNDS, STATEMENTS, REQUESTS = 301, 500, 4
# Between a line of a project and the wrapper lie about so many frames of Django.
DJANGO_FRAMES = 10


def configure() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    if "DATABASE_URL" not in os.environ:
        parser.error("set DATABASE_URL to a database that it may write to")
    import dj_database_url

    settings.configure(
        BASE_DIR=Path(__file__).resolve().parent,
        DATABASES={"default": dj_database_url.parse(os.environ["DATABASE_URL"])},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                        "django_celery_beat", "perfops"],
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        PERFOPS={"ORIGINS": False},
        SECRET_KEY=os.environ["SECRET_KEY"],
    )  # fmt: skip
    django.setup()


configure()

from django.contrib.contenttypes.models import ContentType
from django.core.handlers.base import BaseHandler
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory
from django.urls import path

from perfops.origins import flushing, middleware, scope, wrapper
from perfops.origins.scope import Scope


def listing(request: HttpRequest) -> JsonResponse:
    rows = ContentType.objects.order_by("id")[:20]
    return JsonResponse(
        {
            "count": ContentType.objects.count(),
            "rows": [{"id": row.pk, "app": row.app_label, "model": row.model} for row in rows],
        }
    )


urlpatterns = [path("things/", listing)]


class _Cursor:
    rowcount = 20


class _Wrapped:
    cursor = _Cursor()


def per_statement(count: Callable[..., Any]) -> float:
    """Return the seconds of one call of the wrapper around nothing, ``DJANGO_FRAMES`` deep."""
    sql = ContentType.objects.order_by("id").query.sql_with_params()[0]
    context = {"cursor": _Wrapped(), "connection": connection}

    def nothing(*_: object) -> None:
        return None

    def bare() -> float:
        start = thread_time()
        for _ in range(STATEMENTS):
            # Django builds the text anew for each statement: its hash is not known yet.
            nothing(f"{sql} ", None, False, context)
        return thread_time() - start

    def counted() -> float:
        start = thread_time()
        for _ in range(STATEMENTS):
            count(nothing, f"{sql} ", None, False, context)
        return thread_time() - start

    ours = Scope("request", lambda: "GET /things/")
    token = scope.begin(ours)
    try:
        return (_deep(counted) - _deep(bare)) / STATEMENTS
    finally:
        scope.end(ours, token)


def _deep(run: Callable[[], float]) -> float:
    """Call ``run`` beneath as many frames as Django puts there, in a file of a library."""
    return float(_BENEATH["beneath"](run, DJANGO_FRAMES))


_BENEATH: dict[str, Any] = {}
exec(  # noqa: S102 -- frames that belong to no file of the project
    compile(
        "def beneath(run, depth):\n    return run() if depth == 0 else beneath(run, depth - 1)\n",
        str(Path(django.__file__).parent / "db" / "backends" / "beneath.py"),
        "exec",
    ),
    _BENEATH,
)


def request(handler: Callable[[HttpRequest], Any]) -> float:
    """Return the seconds of one request."""
    factory = RequestFactory()
    start = thread_time()
    for _ in range(REQUESTS):
        handler(factory.get("/things/"))
    return (thread_time() - start) / REQUESTS


def main() -> None:
    flushing.begin = lambda: None
    count = wrapper.counting("default")
    plain, noting = BaseHandler(), BaseHandler()
    settings.MIDDLEWARE = []
    plain.load_middleware()
    settings.MIDDLEWARE = [middleware.PATH]
    noting.load_middleware()
    call_command("migrate", "contenttypes", verbosity=0)
    for number in range(20):
        ContentType.objects.get_or_create(app_label="bench", model=f"m{number}")
    bare, counted, statements = [], [], []
    for number in range(ROUNDS + 1):
        connection.execute_wrappers[:] = []
        a = request(plain.get_response)
        connection.execute_wrappers[:] = [count]
        b = request(noting.get_response)
        if number:
            bare.append(a)
            counted.append(b)
            statements.append(per_statement(count))
    ratios = sorted(b / a - 1 for a, b in zip(bare, counted, strict=True))
    print(f"wrapper per statement   {statistics.median(statements) * 1e6:6.2f} us")
    print(f"list request without    {statistics.median(bare) * 1e6:6.0f} us")
    print(f"list request with       {statistics.median(counted) * 1e6:6.0f} us")
    low, high = ratios[len(ratios) // 4], ratios[-len(ratios) // 4]
    share = statistics.median(ratios)
    print(f"share of a request      {share:6.1%}  (quartiles {low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main()
