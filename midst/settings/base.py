"""What development, tests and production share. All environment parsing is in ``environment``."""

import logging
from pathlib import Path
from typing import Any

from corsheaders.defaults import default_headers
from redis.backoff import NoBackoff
from redis.retry import Retry

from midst.kernel.redis import connect as connect_redis
from midst.settings import environment
from midst.settings.environment import env
from midst.telemetry.redis import connection_class

BASE_DIR = Path(__file__).resolve().parents[2]
VERSION = "0.1.0"

SECRET_KEY = env.str("SECRET_KEY")
# Earlier keys, while what they signed is still valid: rotate by moving the old key here.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
# Signs access tokens; production requires one of its own.
TOKEN_SIGNING_KEY = environment.signing_key("TOKEN_SIGNING_KEY", SECRET_KEY)
TOKEN_SIGNING_KEY_FALLBACKS: list[str] = env.list("TOKEN_SIGNING_KEY_FALLBACKS", default=[])
# How long (s) one is valid; then a client exchanges its refresh token for another.
ACCESS_TOKEN_S = environment.positive_int("ACCESS_TOKEN_S", 600)
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "midst.telemetry",
    "midst.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "ninja",
    "midst.accounts",
    "midst.operations",
    "taxonomy",
    "profiles",
    "perfops",
]

MIDDLEWARE = [
    # First: a statement of any middleware counts for its request.
    "perfops.origins.middleware.origin_middleware",
    "midst.telemetry.requests.ObservingMiddleware",
    "midst.kernel.ratelimit.RateLimitHeadersMiddleware",
    "midst.kernel.http.ProblemMiddleware",
    "midst.health.ProbeMiddleware",
    "midst.kernel.http.HeadMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "midst.kernel.http.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "midst.accounts.audit.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "midst.api.KnownParametersMiddleware",
]

# Origins (https://app.example.org) whose pages may call the API, with tokens and never by cookies.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
if CORS_ALLOWED_ORIGINS:
    INSTALLED_APPS.append("corsheaders")
    # Before all that answers on its own: a page must be able to read an error as well.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("midst.kernel.http.ProblemMiddleware"),
        "corsheaders.middleware.CorsMiddleware",
    )
    CORS_URLS_REGEX = r"^/api/"
    CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-match", "if-none-match"]
    CORS_EXPOSE_HEADERS = [
        "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After",
        "WWW-Authenticate", "X-Cache", "X-Request-ID",
    ]  # fmt: skip

# Metrics under django-prometheus' own names as well, for dashboards and alerts that ask for them.
DJANGO_PROMETHEUS_MIDDLEWARE = env.bool("DJANGO_PROMETHEUS_MIDDLEWARE", default=False)
if DJANGO_PROMETHEUS_MIDDLEWARE:
    MIDDLEWARE = [
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        *MIDDLEWARE,
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ]

ROOT_URLCONF = "midst.urls"
WSGI_APPLICATION = "midst.wsgi.application"
APPEND_SLASH = True
# The path under which a proxy mounts Midst. Never taken from a request: a header could name it.
FORCE_SCRIPT_NAME = env.str("URL_PREFIX", "")

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": environment.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, Any] = {
    "default": {
        # django-redis, with django-prometheus' counts of gets, hits and misses.
        "BACKEND": "django_prometheus.cache.backends.redis.RedisCache",
        "LOCATION": environment.redis_url(0),
        "KEY_PREFIX": env.str("CACHE_PREFIX", "midst"),
        "OPTIONS": {
            # A cache that answers later than the database would is no help.
            "SOCKET_CONNECT_TIMEOUT": 0.25,
            "SOCKET_TIMEOUT": 0.25,
            # Threads wait a little for a connection: having none to spare is no outage.
            "CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool",
            "CONNECTION_POOL_KWARGS": {
                "timeout": 0.5,
                "max_connections": 64,
                "connection_class": connection_class(environment.redis_url(0)),
                # Refuse to go on with a server that was restarted: see midst.kernel.redis.
                "redis_connect_func": connect_redis,
                # By default it tries again after seconds; a request can't wait for that.
                "retry": Retry(NoBackoff(), 0),
            },
        },
    }
}

# The share of cache hits that is compared with the database; one stale read is an error.
CACHE_AUDIT_RATE = environment.share("CACHE_AUDIT_RATE", 0.001)

# Whether the asgi worker's event loop answers itself what the cache has for everybody, and for how
# many addresses each process remembers where that is (about 1 kB each).
HOT_PATH = env.bool("HOT_PATH", default=True)
HOT_PATH_ADDRESSES = environment.positive_int("HOT_PATH_ADDRESSES", 20_000)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Where a sign-in leads whose address to go on to is not ours.
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"

# One visibility timeout for the broker, for results and for beat's own connection: a
# task that runs longer than it would be delivered twice. Stress takes 20 minutes.
_VISIBILITY_S = 2 * 60 * 60
CELERY_BROKER_URL = environment.redis_url(1)
# kombu's own, with connections whose commands are counted.
CELERY_BROKER_TRANSPORT = "midst.telemetry.redis:Transport"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": _VISIBILITY_S,
    "socket_connect_timeout": 2,
    # A page that queues a task must not wait long for a broker that is away.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "socket_keepalive": True,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": _VISIBILITY_S}
CELERY_VISIBILITY_TIMEOUT = _VISIBILITY_S
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = _VISIBILITY_S - 600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULER = "midst.operations.beat:PatientScheduler"
CELERY_TIMEZONE = TIME_ZONE

# (name, requests, seconds) that a client may send. With a personal token, by token and by user;
# otherwise by user, or by address without credentials.
RATE_LIMITS = {
    "token": ("token", environment.positive_int("RATE_LIMIT_TOKEN", 600), 60),
    "user": ("user", environment.positive_int("RATE_LIMIT_USER", 1200), 60),
    "address": ("address", environment.positive_int("RATE_LIMIT_ADDRESS", 300), 60),
    # By address, before any look-up: refreshes and sign-outs; tokens that nobody has.
    "exchange": ("exchange", environment.positive_int("RATE_LIMIT_EXCHANGE", 120), 60),
    "bad-token": ("bad-token", environment.positive_int("RATE_LIMIT_BAD_TOKEN", 60), 60),
}
# Addresses whose requests without credentials are not limited.
RATE_LIMIT_EXEMPT: list[str] = env.list("RATE_LIMIT_EXEMPT", default=[])
# How many proxies of ours append to X-Forwarded-For; 0: the header is not believed.
TRUSTED_PROXY_HOPS = env.int("TRUSTED_PROXY_HOPS", 0)
# No body that the API takes is larger.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

# For how long a write with Idempotency-Key is answered again, and the largest body (bytes) that is
# stored for it.
IDEMPOTENCY_HOURS = environment.positive_int("IDEMPOTENCY_HOURS", 24)
IDEMPOTENCY_LARGEST_ANSWER = environment.positive_int("IDEMPOTENCY_LARGEST_ANSWER", 256_000)

# Who may read /metrics on the API port; Prometheus scrapes METRICS_PORT instead.
METRICS_ALLOW: list[str] = env.list("METRICS_ALLOW", default=[])
METRICS_PORT = environment.positive_int("METRICS_PORT", 9464)
# Functions without arguments whose figures the metrics server adds: telemetry knows no app.
METRICS_SOURCES = ["perfops.budgets.figures.read"]

# Errors go nowhere without it.
SENTRY_DSN = env.str("SENTRY_DSN", "")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", "development")
# The share of requests and tasks whose performance Sentry is sent; 0 turns it off.
SENTRY_TRACES_SAMPLE_RATE = environment.share("SENTRY_TRACES_SAMPLE_RATE", 1.0)
# Addresses whose ``traceparent`` decides what is traced, and whose baggage is believed.
TRACE_TRUSTED_NETWORKS: list[str] = env.list("TRACE_TRUSTED_NETWORKS", default=[])
# The share of traces kept where no caller has decided; OTEL_TRACES_SAMPLER goes before.
TRACES_RATIO = 1.0
# A function that knows PostgreSQL's queryid of a statement's text, or nothing.
TRACES_QUERYID = ""

PERFOPS = {
    "PROMETHEUS_URL": env.str("PERFOPS_PROMETHEUS_URL", ""),
    "TRACES_URL": env.str("PERFOPS_TRACES_URL", ""),
    "ALLOWED_TARGETS": env.list(
        "PERFOPS_ALLOWED_TARGETS", default=["127.0.0.0/8", "::1", "localhost"]
    ),
    "DEFAULT_TARGET": env.str("PERFOPS_TARGET", "http://127.0.0.1:3001"),
    "UNMEASURED_ROUTES": ["/health", "/ready", "/metrics"],
    "TARGET_SECRET": env.str("PERFOPS_TARGET_SECRET", ""),
    "WEBHOOKS": environment.webhooks(),
    "ALERT_WEBHOOKS": env.list("PERFOPS_ALERT_WEBHOOKS", default=[]),
    "SATURATION": "midst.server.threads:saturation",
    "SCENARIO_DIR": BASE_DIR / "infra" / "k6",
    "AROUND_RUN": "midst.operations.load_people:around",
    "CACHE_REGION_OF": "midst.operations.cache_page.declared:region_of",
    "BEFORE_COUNTED_REQUEST": "midst.operations.cache_page.clearing:clear_all_regions",
    "AGAINST": {
        "install": ["make install"],
        "python": ".venv/bin/python",
        "prepare": [
            "{python} manage.py migrate --no-input",
            "{python} manage.py seed --profiles 1000",
        ],
        "counts": "infra/k6/counts.json",
        "routes": "infra/k6/counted.json",
        "serve": "{python} -m gunicorn -c infra/gunicorn.conf.py",
        "environment": {
            "DATABASE_URL": "{database_url}",
            "BIND": "127.0.0.1:{port}",
            # A cache and counters of its own.
            "CACHE_PREFIX": "{side}",
            "PROMETHEUS_MULTIPROC_DIR": "{scratch}",
        },
    },
    "OVERVIEW_PANELS": ["midst.operations.panels.panels"],
    "NAVIGATION": [
        ("Cache", "admin:cache", "operations.view_cache"),
        ("Tasks", "admin:tasks", "perfops.view_analysis"),
        (
            "Schedules",
            "admin:django_celery_beat_periodictask_changelist",
            "django_celery_beat.view_periodictask",
        ),
    ],
    "SEARCHED_MODELS": ["profiles.profile"],
    "K6_BINARY": env.str("K6_BINARY", ""),
    "ORIGINS": env.bool("PERFOPS_ORIGINS", True),
    "HELPER_MODULES": ["midst.kernel"],
    "SAMPLE_PARAMETERS": env.bool("PERFOPS_SAMPLE_PARAMETERS", False),
    # default=default, or default=staging: where indexes may be rehearsed on copies of tables.
    "REHEARSE_ON": env.dict("PERFOPS_REHEARSE_ON", default={}),
}

SILENCED_SYSTEM_CHECKS: list[str] = []

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "human": {"()": "midst.telemetry.logs.human_formatter"},
        "json": {"()": "midst.telemetry.logs.json_formatter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": environment.log_format("human")}
    },
    "root": {"handlers": ["stderr"], "level": env.log_level("LOG_LEVEL", logging.INFO)},
}
