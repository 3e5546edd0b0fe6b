"""gunicorn for Midst; every value can be overridden on gunicorn's command line."""

import gc
import os
from typing import Any

bind = os.environ.get("BIND", "127.0.0.1:3001")
# asgi: one event loop in front of Django's threads, with deadlines for slow clients. gthread and
# sync are gunicorn's own: behind a proxy that buffers requests and answers only.
worker = os.environ.get("WEB_WORKER", "asgi")
worker_class = "midst.server.worker.Worker" if worker == "asgi" else worker
wsgi_app = "midst.asgi:application" if worker == "asgi" else "midst.wsgi:application"
asgi_lifespan = "off"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# The asgi worker has none of gunicorn's threads: ``midst.asgi`` starts its own.
threads = int(os.environ.get("WEB_THREADS", "4")) if worker == "gthread" else 1
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


def post_worker_init(worker: Any) -> None:
    """After the fork: threads do not survive one."""
    from midst import api
    from midst.telemetry import database, metrics, tracing

    api.prepare()
    # What was loaded stays for good: no collection looks at it again.
    gc.collect()
    gc.freeze()
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
