"""What a project must have for perfops to work, told by ``manage.py check``."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.db import connections, router

from perfops import plugins, searched
from perfops.analysis.advisors import registry
from perfops.budgets import webhooks
from perfops.budgets.metrics import registry as metrics
from perfops.conf import conf
from perfops.load import routes, slowdown
from perfops.load import scenarios as plan
from perfops.management import formats
from perfops.models.runs import LoadRun
from perfops.origins import middleware


@checks.register
def check_project(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with databases, apps, middleware, scenarios, plugins and webhooks."""
    return [
        *_database(),
        *_apps(),
        *_middleware(),
        *_slowdown(),
        *_scenarios(),
        *_plugins(),
        *_searched(),
        *_webhooks(),
    ]


def _database() -> list[CheckMessage]:
    alias = router.db_for_write(LoadRun) or "default"
    vendor = connections[alias].vendor
    if vendor == "postgresql":
        return []
    return [
        checks.Error(
            f"perfops keeps its tables in PostgreSQL; the database {alias!r} is {vendor}.",
            hint="Set its ENGINE to django.db.backends.postgresql, or route the app perfops to "
            "a PostgreSQL database by DATABASE_ROUTERS.",
            id="perfops.E001",
        )
    ]


def _apps() -> list[CheckMessage]:
    if apps.is_installed("django.contrib.postgres"):
        return []
    return [
        checks.Warning(
            "django.contrib.postgres is not in INSTALLED_APPS.",
            hint="Add it: perfops has an index of its kind, index advice needs it for "
            "GIN indexes, and on Django 6 it is an error to be without.",
            id="perfops.W001",
        )
    ]


def _middleware() -> list[CheckMessage]:
    if not conf().ORIGINS or middleware.PATH in settings.MIDDLEWARE:
        return []
    return [
        checks.Warning(
            f"{middleware.PATH} is not in MIDDLEWARE: statements are not attributed to routes.",
            hint="Put it first in MIDDLEWARE, or turn origins off: PERFOPS = {'ORIGINS': False}.",
            id="perfops.W003",
        )
    ]


def _plugins() -> list[CheckMessage]:
    hint = "See perfops/plugins.py, or remove it from its entry points or from the setting."
    return [
        checks.Warning(fault, hint=hint, id="perfops.W004")
        for fault in plugins.faults([registry.GROUP, metrics.GROUP, plan.GROUP, formats.GROUP])
    ]


def _searched() -> list[CheckMessage]:
    return [
        checks.Warning(
            f"PERFOPS['SEARCHED_MODELS'] names {name!r}, and no installed model is called so.",
            hint='Name it as "app_label.model".',
            id="perfops.W005",
        )
        for name in searched.unknown()
    ]


def _webhooks() -> list[CheckMessage]:
    try:
        webhooks.webhooks()
    except webhooks.UnusableWebhook as error:
        hint = "No webhook is sent until then. See docs/regressions.md."
        return [checks.Error(str(error), hint=hint, id="perfops.E002")]
    return []


def _slowdown() -> list[CheckMessage]:
    if settings.DEBUG or slowdown.PATH not in settings.MIDDLEWARE:
        return []
    return [
        checks.Warning(
            f"{slowdown.PATH} is in MIDDLEWARE, and DEBUG is off: it slows requests down for "
            "`manage.py aa_test`, and is not for production.",
            hint="Leave it to the settings that comparisons run with.",
            id="perfops.W006",
        )
    ]


def _scenarios() -> list[CheckMessage]:
    """Say so only where somebody has named a folder: not everyone wants load runs."""
    if "SCENARIO_DIR" not in getattr(settings, "PERFOPS", {}):
        return []
    folder = conf().SCENARIO_DIR
    try:
        plans = [plan.load(folder, name) for name in plan.scenarios(folder)]
        for file in {each.routes for each in plans if each.routes}:
            if file.suffix == ".json":
                routes.read(file)
    except (plan.UnknownScenario, routes.UnusableRoutes) as error:
        return [
            checks.Warning(
                f"There are no load scenarios: {error}",
                hint="See docs/perfops-in-your-project.md; without load runs leave it out.",
                id="perfops.W002",
            )
        ]
    return []
