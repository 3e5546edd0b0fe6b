"""A project of one file, as a git repository: quickly built, its requests are known."""

import sys
from pathlib import Path

from tests.perfops.repository import git

# Tables without their migrations: made in a second.
MANAGE = """
import os
import sys
from urllib.parse import unquote, urlsplit
from django.conf import settings
at = urlsplit(os.environ["DATABASE_URL"])

settings.configure(
    SECRET_KEY="k", ALLOWED_HOSTS=["*"], ROOT_URLCONF="shop", USE_TZ=True, LOGGING_CONFIG=None,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "perfops"],
    MIDDLEWARE=[
        "perfops.load.slowdown.slowdown_middleware", "perfops.origins.middleware.origin_middleware",
    ],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": at.path[1:],
        "HOST": unquote(at.hostname or ""), "PORT": at.port or "",
        "USER": unquote(at.username or ""), "PASSWORD": unquote(at.password or ""),
    }},
    MIGRATION_MODULES={"contenttypes": None, "auth": None, "perfops": None},
)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SHOP = """
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.urls import path

def groups(request):
    return HttpResponse(Group.objects.count())

urlpatterns = [path("groups/", groups)]
"""
SLOW = SHOP.replace("    return", "    Group.objects.exists()\n    return")
SCENARIOS = """{"smoke": {
    "title": "Short.", "start_rate": 60, "stages": [{"seconds": 5, "rate": 60}], "max_vus": 60
}}"""
AGAINST = {
    "environment": {"DATABASE_URL": "{database_url}", "PYTHONPATH": str(Path(__file__).parents[3])},
    "python": sys.executable,
    "prepare": ["{python} manage.py migrate --no-input --run-syncdb"],
    "migrate": [],
    "serve": "{python} manage.py runserver --noreload --nothreading {port}",
}


def commit(folder, message, **files):
    """Commit ``files`` (content by name, without .py)."""
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", message)


def make(folder, settings, **more):
    """Make the repository, and have perfops' commands know how it is built; ``more``: settings."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "routes.json").write_text('{"/groups/": 1}')
    (folder / "scenarios.json").write_text(SCENARIOS)
    commit(folder, "A shop", manage=MANAGE, shop=SHOP)
    ours = {"AGAINST": AGAINST, "SCENARIO_DIR": folder}
    settings.PERFOPS = {**settings.PERFOPS, **ours, **more}
