"""Who asks, and may they: what every endpoint of the API names as its ``auth``.

``Reads(scope)``: anyone may ask; with credentials one sees more. ``Requires(scope)``: only with
credentials. Both count the request against the client's rate limit before anything else is done.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from midst.accounts import selectors, services, throttle
from midst.accounts.scopes import Scope
from midst.kernel.problems import NOT_YOURS, SCOPE_MISSING, UNAUTHENTICATED, Problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="midst"'}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``scopes`` is None for a sign-in, which may do all its user may."""

    user: Any
    scopes: frozenset[str] | None = None
    token: str | None = None

    @property
    def is_known(self) -> bool:
        return bool(self.user.is_authenticated)

    def may(self, scope: Scope | None) -> bool:
        """Say whether the token covers ``scope``; None stands for what no token may do."""
        return self.scopes is None or (scope is not None and scope in self.scopes)


NOBODY = Principal(AnonymousUser())


def principal(request: HttpRequest) -> Principal:
    """Return who asks; only inside an endpoint that names an access as its ``auth``."""
    return request.auth  # type: ignore[attr-defined, no-any-return]


class _Access(AuthBase):
    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = (
        "An access token from `POST /auth/token`, or a personal API token. "
        "Browsers may use the admin's session cookie, with its CSRF token for writes."
    )

    def __init__(self, scope: Scope | None) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Principal:
        try:
            who = identify(request)
        except Problem:
            # Guessing tokens is counted like asking without one.
            throttle.require_request(request, user=None, token=None)
            raise
        throttle.require_request(request, user=who.user.pk, token=who.token)
        return self.admit(who)

    def admit(self, who: Principal) -> Principal:
        raise NotImplementedError


class Reads(_Access):
    """For anyone; a token without the scope sees what anyone sees."""

    def admit(self, who: Principal) -> Principal:
        return who if who.may(self.scope) else NOBODY


class Requires(_Access):
    """For users (or staff alone) whose token covers the scope. Raises ``Problem``: 401, 403."""

    def __init__(self, scope: Scope | None, *, staff: bool = False) -> None:
        super().__init__(scope)
        self.staff = staff

    def admit(self, who: Principal) -> Principal:
        if not who.is_known:
            raise unauthenticated("Sign in, or send a token.")
        if not who.may(self.scope):
            raise Problem(
                SCOPE_MISSING,
                f"The token needs the scope {self.scope}."
                if self.scope
                else "No personal token may do this: sign in.",
            )
        if self.staff and not who.user.is_staff:
            raise Problem(NOT_YOURS, "Only staff may do this.")
        return who


def identify(request: HttpRequest) -> Principal:
    """Return who asks. Raises ``Problem`` (401) for credentials that are not good."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        return _by_token(header)
    if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
        if request.method not in _SAFE and check_csrf(request) is not None:
            raise unauthenticated("Writes by session cookie need a CSRF token.")
        return Principal(request.user)
    return NOBODY


def _by_token(header: str) -> Principal:
    kind, _, token = header.partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token.isascii():
        raise unauthenticated("Send `Authorization: Bearer <token>`.")
    personal = selectors.api_token(token)
    if personal is not None:
        services.note_use(personal)
        return Principal(personal.user, frozenset(personal.scopes), str(personal.pk))
    user = selectors.user_of_session(token)
    if user is None:
        raise unauthenticated("The token is not good (any more).")
    return Principal(user)


def unauthenticated(detail: str) -> Problem:
    return Problem(UNAUTHENTICATED, detail, headers=_CHALLENGE)
