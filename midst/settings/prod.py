"""Production: every secret and server from the environment; refuses to start without them."""

from midst.settings.base import *  # noqa: F403
from midst.settings.base import BASE_DIR
from midst.settings.base import LOGGING as _LOGGING
from midst.settings.environment import env, log_format, share, signing_key

DEBUG = False
TRACES_RATIO = 0.1
SENTRY_TRACES_SAMPLE_RATE = share("SENTRY_TRACES_SAMPLE_RATE", 0.1)
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", "production")
_LOGGING["handlers"]["stderr"]["formatter"] = log_format("json")
TOKEN_SIGNING_KEY = signing_key("TOKEN_SIGNING_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")

STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
# Whoever scrapes it speaks plain HTTP inside the network; health checks never get this far.
SECURE_REDIRECT_EXEMPT = [r"^metrics$"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000)
# Both bind names that are not ours alone, and preloading takes months to undo.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
# `check --deploy` would ask for both in every deployment.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
