"""gunicorn for Midst; every value can be overridden on gunicorn's command line."""

import os
from typing import Any

from prometheus_client import multiprocess

bind = os.environ.get("BIND", "127.0.0.1:3001")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 60
graceful_timeout = 20
keepalive = 30
# By default it opens a socket in the home directory.
control_socket_disable = True
accesslog = None
wsgi_app = "midst.wsgi:application"


def child_exit(server: Any, worker: Any) -> None:
    """A dead worker's gauges vanish; its counters stay."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)
