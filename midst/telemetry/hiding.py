"""What errors say, without secrets and people: for logs and for Sentry."""

import re
import traceback
from types import TracebackType

_HIDDEN = "[hidden]"
_SECRETS = (
    # What PostgreSQL tells of the row, or of a statement's parameters; also within a repr.
    re.compile(r"(^|\\n)(DETAIL|CONTEXT):.*", re.M | re.S),
    # RFC 5322 allows more than letters before the @.
    re.compile(r"[^\s@<>()\[\],;:\"]+@[\w-]+(\.[\w-]+)+"),
    re.compile(r"\bmidst_[\w-]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"),
    re.compile(r"(?<=://)[^\s/@]+@"),
    re.compile(
        r"(?i)\b\w*(passw(or)?d|secret|token|cookie|session|authorization|api_?key)\w*"
        r"['\"]?\s*[:=]\s*(['\"][^'\"]*['\"]|[^\s,;&}]+)"
    ),
)
# What ends a line somewhere, or steers a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def hidden(text: str) -> str:
    """Return ``text`` without addresses, tokens, passwords and the rows of database errors."""
    for secret in _SECRETS:
        text = secret.sub(_HIDDEN, text)
    return text


def one_line(text: str) -> str:
    """Return ``text`` with control characters escaped: nobody forges a line of a log."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def traceback_text(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> str:
    """Return the traceback, without local variables and without secrets in any message.

    Each line is indented, so that a message of several lines never looks like a line of its own.
    """
    text = "".join(traceback.format_exception(*exc_info)).rstrip()
    for error in _chain(exc_info[1]):
        message = str(error)
        text = text.replace(message, hidden(message)) if message else text
    return "\n".join(f"  {one_line(line)}" for line in text.split("\n"))


def _chain(error: BaseException) -> list[BaseException]:
    """Return what a traceback shows: the error, its causes, and the members of groups."""
    found: list[BaseException] = []
    ahead: list[BaseException | None] = [error]
    while ahead:
        each = ahead.pop()
        if each is not None and each not in found:
            found.append(each)
            ahead += [each.__cause__, each.__context__]
            ahead += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return found
