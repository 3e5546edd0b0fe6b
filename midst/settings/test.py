"""Tests: real servers, quick password hashes. The servers come from ``tests/conftest.py``."""

import os

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0" * 40)
os.environ.setdefault("DATABASE_URL", "postgres://midst@127.0.0.1:1/not-started")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1")
# Its thread would write beside the tests; those that are about it turn it on.
os.environ.setdefault("PERFOPS_ORIGINS", "0")

from midst.settings.base import *  # noqa: F403
from midst.settings.base import CACHES as _CACHES
from midst.settings.base import DATABASES as _DATABASES
from midst.settings.base import INSTALLED_APPS as _INSTALLED_APPS

INSTALLED_APPS = [*_INSTALLED_APPS, "midst.stack"]
ALLOWED_HOSTS = ["*"]
RATE_LIMIT_EXEMPT = ["127.0.0.0/8"]
TRACE_TRUSTED_NETWORKS = ["127.0.0.0/8"]
SENTRY_TRACES_SAMPLE_RATE = float(os.environ.get("SENTRY_TRACES_SAMPLE_RATE", "0"))
METRICS_ALLOW = ["127.0.0.0/8"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = True
# A file is looked for when it is asked for: else each test's client reads all of them first.
WHITENOISE_AUTOREFRESH = True
# On a busy machine Redis answers late now and then, and is not away. What becomes of those who
# wait for one that is, tests with a server of their own show.
_PATIENCE_S = 30
_REDIS = _CACHES["default"]["OPTIONS"]
_POOL = {**_REDIS["CONNECTION_POOL_KWARGS"], "timeout": _PATIENCE_S}
_PATIENT = {"SOCKET_CONNECT_TIMEOUT": _PATIENCE_S, "SOCKET_TIMEOUT": _PATIENCE_S}
CACHES = {
    "default": {
        **_CACHES["default"],
        "OPTIONS": {**_REDIS, **_PATIENT, "CONNECTION_POOL_KWARGS": _POOL},
    }
}
# An audit asks the database once more; with hundreds of counted hits one would come every few runs.
CACHE_AUDIT_RATE = 0
# The migrations' rows come back quickly after a test that empties the tables.
DATABASES = {"default": {**_DATABASES["default"], "ENGINE": "tests.postgres"}}
