"""Who may call the API, how a request is refused, and that every write is told.

A guard is a function from a permission, such as ``perfops.run_loadrun``, to what django-ninja takes
as ``auth`` of an endpoint. What it returns for a request is the user, or has it as ``user``.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest
from ninja.security import SessionAuth

from perfops.signals import tell

Guard = Callable[[str], Any]


class Refused(Exception):
    """Ends a request: ``status`` is 401, 403, 404, 409 or 422, ``detail`` says what to do.

    ``errors``: pairs of a field, like ``body.target``, and what is wrong with it.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


class SessionGuard(SessionAuth):
    """The admin's session, its CSRF token for writes, and the permission as the admin asks it."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        user = request.user
        if not user.is_authenticated:
            return None
        if not user.is_staff or not user.has_perm(self.permission):
            raise Refused(403, f"This needs the permission {self.permission}.")
        return user


def user_of(request: HttpRequest) -> Any:
    """Return the user whom the guard has let in."""
    found = request.auth  # type: ignore[attr-defined]
    return getattr(found, "user", found)


def note(request: HttpRequest, action: str, subject: str) -> None:
    """Say that a write was done: an audit log hears of it by ``perfops.signals.written``."""
    tell(action, subject, request=request, user=user_of(request))
