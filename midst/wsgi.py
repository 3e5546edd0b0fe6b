"""gunicorn's entry point. Threads share a connection pool; nothing else turns it on."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")
os.environ.setdefault("DATABASE_POOL_SIZE", "8")
os.environ.setdefault("MIDST_SERVICE", "midst-web")

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_chunked_bodies(application: Application) -> Application:
    """Return ``application`` with every chunked body given as one of a known length.

    Django reads as many bytes as Content-Length says, and none without one (RFC 9112, 7.1). A body
    that is too large is cut one byte behind the limit, so that Django answers 413. The server must
    end ``wsgi.input`` where the body ends, as gunicorn does.
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            body = environ["wsgi.input"].read(most + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return call


application = with_chunked_bodies(get_wsgi_application())
