"""Settings of both Django peers, as ``startproject`` and their documentation have them."""

import os
import secrets

from psycopg.conninfo import conninfo_to_dict

TELEMETRY = os.environ.get("TELEMETRY") == "on"
SECRET_KEY = secrets.token_urlsafe(40)
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = os.environ["PEER_URLS"]
WSGI_APPLICATION = "django_wsgi.application"
USE_TZ = True
_at = conninfo_to_dict(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _at["dbname"],
        "USER": _at.get("user", ""),
        "PASSWORD": _at.get("password", ""),
        "HOST": _at.get("host", ""),
        "PORT": _at.get("port", ""),
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 4}},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["REDIS_URL"],
        "KEY_PREFIX": ROOT_URLCONF,
        "TIMEOUT": 600,
    }
}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
if TELEMETRY:
    INSTALLED_APPS += ["django_prometheus"]
    MIDDLEWARE = [
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        *MIDDLEWARE,
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ]
