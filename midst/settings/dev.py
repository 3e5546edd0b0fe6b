"""Development: the embedded stack's servers, unless the environment names others."""

import os

from django.core.exceptions import ImproperlyConfigured

from midst.stack import state
from midst.stack.state import StackError

try:
    _given = state.environment()
except StackError as error:
    raise ImproperlyConfigured(str(error)) from error

# Before the first start there is nothing to point at; `check` says so, `stack` goes on.
_NOWHERE = {
    "SECRET_KEY": "there-is-no-stack-yet",
    "DATABASE_URL": "postgres://127.0.0.1:1/nowhere",
    "REDIS_URL": "redis://127.0.0.1:1",
}
for name, value in {**_NOWHERE, **_given}.items():
    if not os.environ.get(name):
        os.environ[name] = value

from midst.settings.base import *  # noqa: E402, F403
from midst.settings.base import INSTALLED_APPS as _INSTALLED_APPS  # noqa: E402
from midst.settings.base import MIDDLEWARE as _MIDDLEWARE  # noqa: E402
from midst.settings.base import PERFOPS as _PERFOPS  # noqa: E402
from midst.settings.environment import env  # noqa: E402

INSTALLED_APPS = [*_INSTALLED_APPS, "midst.stack"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# `manage.py aa_test` slows a server of its own down; unset, it is not there.
# Nor is this production, of which every command would warn.
SILENCED_SYSTEM_CHECKS = ["perfops.W006"]
MIDDLEWARE = ["perfops.load.slowdown.slowdown_middleware", *_MIDDLEWARE]
# Load comes from this machine.
RATE_LIMIT_EXEMPT = env.list("RATE_LIMIT_EXEMPT", default=["127.0.0.0/8", "::1"])
TRACE_TRUSTED_NETWORKS = env.list("TRACE_TRUSTED_NETWORKS", default=["127.0.0.0/8", "::1"])
METRICS_ALLOW = env.list("METRICS_ALLOW", default=["127.0.0.0/8", "::1"])

# The embedded PostgreSQL has no hypopg: indexes are tried on copies of the tables.
PERFOPS = {
    **_PERFOPS,
    "REHEARSE_ON": env.dict("PERFOPS_REHEARSE_ON", default={"default": "default"}),
}

# Static files straight from the apps: no collectstatic before a first look.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = env.bool("DEBUG", default=False)
