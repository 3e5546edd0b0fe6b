"""gunicorn for Midst; every value can be overridden on gunicorn's command line."""

import os
from typing import Any

bind = os.environ.get("BIND", "127.0.0.1:3001")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 60
graceful_timeout = 20
keepalive = 30
# By default a client on loopback may send SCRIPT_NAME and PATH_INFO as headers, and so choose the
# path that answers (cached ones too) link to.
forwarder_headers = ""
# Addresses of proxies whose X-Forwarded-Proto gunicorn itself believes: none. Behind a proxy Django
# reads it when BEHIND_TLS_PROXY is set.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "")
# By default it opens a socket in the home directory.
control_socket_disable = True
accesslog = None
wsgi_app = "midst.wsgi:application"


def post_worker_init(worker: Any) -> None:
    """After the fork: threads do not survive one."""
    from midst.telemetry import database, metrics, tracing

    metrics.HTTP_WORKERS.set(1)
    database.watch_pools()
    tracing.start()


def worker_exit(server: Any, worker: Any) -> None:
    """Send the last spans and errors."""
    from midst.telemetry import sentry, tracing

    tracing.stop()
    sentry.stop()


def child_exit(server: Any, worker: Any) -> None:
    """Workers that come and go leave few files, scraped or not."""
    from midst.telemetry.shared import aggregate

    aggregate.fold_if_many()
