"""``manage.py metrics_server``: the metrics of all processes on a port of their own."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from midst.telemetry import collectors, exposition

_EXAMPLES = """examples:
  manage.py metrics_server                              on 127.0.0.1
  manage.py metrics_server --host 0.0.0.0 --port 9100   in a container
"""


class Command(BaseCommand):
    help = "Serve /metrics and /health for Prometheus."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.METRICS_PORT)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        try:
            server = exposition.server(host, port)
        except OSError as error:
            raise CommandError(f"Can't listen on {host}:{port}: {error.strerror}.") from error
        queues, background = collectors.collectors()
        exposition.at_scrape += [queues, background]
        stop = background.start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()
        finally:
            stop.set()
