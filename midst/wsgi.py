"""gunicorn's entry point. Threads share a connection pool; nothing else turns it on."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.prod")
os.environ.setdefault("DATABASE_POOL_SIZE", "8")
os.environ.setdefault("MIDST_SERVICE", "midst-web")

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from midst.server.application import MOST_DISCARDED

_PIECE = 64 * 1024

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_chunked_bodies(application: Application) -> Application:
    """Return ``application`` with every chunked body given as one of a known length.

    Django reads as many bytes as Content-Length says, and none without one (RFC 9112, 7.1). A body
    that is too large is cut one byte behind the limit, so that Django answers 413. The server must
    end ``wsgi.input`` where the body ends, as gunicorn does.

    What is left of a body that is too large is read after the answer and thrown away: a client that
    is still sending when the connection closes never sees its answer.
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        sent, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            body = sent.read(most + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = length = str(len(body))
        answer = application(environ, start_response)
        is_read = "HTTP_EXPECT" in environ or not length.isdecimal() or int(length) <= most
        return answer if is_read else _and_the_rest(answer, sent)

    return call


def _and_the_rest(answer: Iterable[bytes], sent: Any) -> Iterator[bytes]:
    try:
        yield from answer
        left = MOST_DISCARDED
        while left > 0 and (piece := sent.read(min(left, _PIECE))):
            left -= len(piece)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


application = with_chunked_bodies(get_wsgi_application())
