"""Everything Midst reads from the environment, typed; a wrong value is named at start.

Each function raises ``environs.EnvValidationError`` (or ``EnvError`` when a required
variable is missing) with the variable's name. A secret ``X`` may also be given as a file
by ``X_FILE``.
"""

from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from environs import FileAwareEnv, ValidationError

env = FileAwareEnv()


def _is_postgres(url: str) -> None:
    if urlsplit(url).scheme not in {"postgres", "postgresql"}:
        raise ValidationError("must look like postgres://user:password@host:port/name")


def _is_redis(url: str) -> None:
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        raise ValidationError("must look like redis://host:port")


def _positive(number: int) -> None:
    if number <= 0:
        raise ValidationError("must be greater than 0")


def _is_long_enough(secret: str) -> None:
    if len(secret.encode()) < 32:
        raise ValidationError("must be at least 32 bytes, all random")


def _is_share(number: float) -> None:
    if not 0 <= number <= 1:
        raise ValidationError("must be from 0 to 1")


def _is_log_format(name: str) -> None:
    if name not in {"human", "json"}:
        raise ValidationError("must be human or json")


# libpq's: seconds of silence before the first question, between two, how many; and milliseconds
# that what was sent may stay unacknowledged. The system's own would be 2 hours and 15 minutes.
_OF_LOST_SERVERS = {
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


def database() -> dict[str, Any]:
    """Return Django's ``DATABASES["default"]`` from ``DATABASE_URL``.

    ``DATABASE_POOL_SIZE`` (connections, 0 = no pool) is for threaded servers only: a pool
    does not survive a fork, so Celery's prefork workers run without.
    """
    config: dict[str, Any] = dict(
        dj_database_url.parse(
            env.str("DATABASE_URL", validate=_is_postgres), engine="midst.kernel.postgres"
        )
    )
    options = config.setdefault("OPTIONS", {})
    options.setdefault("application_name", env.str("MIDST_SERVICE", "midst"))
    options.setdefault("connect_timeout", 5)
    # A server whose machine or network is gone closes nothing: known after about 15 s.
    for name, value in _OF_LOST_SERVERS.items():
        options.setdefault(name, value)
    pool_size = env.int("DATABASE_POOL_SIZE", 0)
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 5}
    # Behind PgBouncer in transaction mode a server-side cursor would outlive its connection.
    config["DISABLE_SERVER_SIDE_CURSORS"] = True
    return config


def redis_url(number: int) -> str:
    """Return ``REDIS_URL`` with its database replaced by ``number``.

    The cache and the Celery broker must not share one: clearing a cache is FLUSHDB.
    """
    url: str = env.str("REDIS_URL", validate=_is_redis)
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return parts._replace(path=f"/{number}").geturl()


def signing_key(name: str, default: str | None = None) -> str:
    """Return the variable ``name``: a secret of at least 32 bytes (RFC 7518, 3.2).

    Without ``default`` it is required.
    """
    if default is not None:
        return env.str(name, default)
    return env.str(name, validate=_is_long_enough)


def positive_int(name: str, default: int) -> int:
    """Return the variable ``name`` as an integer above 0."""
    return env.int(name, default, validate=_positive)


def share(name: str, default: float) -> float:
    """Return the variable ``name`` as a number from 0 to 1."""
    return env.float(name, default, validate=_is_share)


def log_format(default: str) -> str:
    """Return ``LOG_FORMAT``: ``human`` or ``json``."""
    return env.str("LOG_FORMAT", default, validate=_is_log_format)


def webhooks() -> list[dict[str, str]]:
    """Return perfops' ``WEBHOOKS``: all events to ``PERFOPS_WEBHOOK_URL``, where it is set.

    Each is signed with ``PERFOPS_WEBHOOK_SECRET``; ``manage.py check`` refuses one without.
    """
    url = env.str("PERFOPS_WEBHOOK_URL", "")
    return [{"url": url, "secret": env.str("PERFOPS_WEBHOOK_SECRET", "")}] if url else []
