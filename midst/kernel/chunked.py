"""Request bodies sent in chunks, without a Content-Length (RFC 9112, 7.1).

Django's WSGI handler reads as many bytes as Content-Length says, and none without one. Such a body
is read here, up to the largest size that Django would accept.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.conf import settings

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_chunked_bodies(application: Application) -> Application:
    """Return ``application`` with every chunked body given as one of a known length.

    A body that is too large is cut one byte behind the limit, so that Django answers 413. The
    server must end ``wsgi.input`` where the body ends, as gunicorn does.
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            body = environ["wsgi.input"].read(most + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return call
