"""Who sent a request, and what they may do: what every endpoint of the API names as its ``auth``.

``Reads(scope)``: anyone may read; with credentials one sees more. ``Requires(scope)``: only with
credentials. Both count the request against the client's rate limits, as early as the client is
known: before the database is asked, except for session cookies.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from midst.accounts import idempotency, secrets, selectors, services, throttle
from midst.accounts.models import NEEDED_WITH, Scope
from midst.kernel.problems import NOT_YOURS, SCOPE_MISSING, UNAUTHENTICATED, Problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request. ``scopes`` is None for a sign-in, which may do all its user may."""

    user: Any
    scopes: frozenset[str] | None = None

    @property
    def is_known(self) -> bool:
        return bool(self.user.is_authenticated)

    def has_scope(self, scope: Scope | None) -> bool:
        """Say whether the token covers ``scope``; None stands for what no token may do."""
        return self.scopes is None or (
            scope is not None and self.scopes.issuperset({scope, *NEEDED_WITH.get(scope, ())})
        )


ANONYMOUS = Principal(AnonymousUser())


def principal(request: HttpRequest) -> Principal:
    """Return who sent ``request``; only inside an endpoint that names an access as its ``auth``."""
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
        return self.admit(identify(request))

    def admit(self, who: Principal) -> Principal:
        raise NotImplementedError


class Reads(_Access):
    """For anyone; a token without the scope sees what anyone sees."""

    def admit(self, who: Principal) -> Principal:
        return _as_owner(who) if who.has_scope(self.scope) else ANONYMOUS


class Requires(_Access):
    """For users whose credentials cover the scope. Raises ``Problem``: 401, 403.

    ``permission``: a model permission such as ``taxonomy.change_mask``, that a member of staff
    must have. ``staff``: for any member of staff.
    """

    def __init__(self, scope: Scope | None, *, staff: bool = False, permission: str = "") -> None:
        super().__init__(scope)
        self.staff = staff
        self.permission = permission

    def __call__(self, request: HttpRequest) -> Principal:
        who = super().__call__(request)
        idempotency.begin(request, who.user)
        return who

    def admit(self, who: Principal) -> Principal:
        if not who.is_known:
            raise unauthenticated("Sign in, or send a token.")
        if not who.has_scope(self.scope):
            raise Problem(SCOPE_MISSING, _missing(self.scope))
        if (self.staff or self.permission) and not who.user.is_staff:
            raise Problem(NOT_YOURS, "Only staff may do this.")
        if self.permission and not who.user.has_perm(self.permission):
            raise Problem(NOT_YOURS, f"This needs the permission {self.permission}.")
        return _as_owner(who)


def _as_owner(who: Principal) -> Principal:
    """Scopes speak of what a user owns: a token never sees more because its user is staff.

    The change is of this request's object alone; it is never saved.
    """
    if who.scopes is not None:
        who.user.is_staff = who.user.is_superuser = False
    return who


def identify(request: HttpRequest) -> Principal:
    """Return who sent ``request``, and count it against their rate limits.

    Raises ``Problem``: 401 for credentials that are not valid, 429.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        return _by_token(request, header)
    if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
        throttle.require_user(request, request.user.pk)
        if request.method not in _SAFE and check_csrf(request) is not None:
            raise unauthenticated("Writes by session cookie need a CSRF token.")
        return Principal(request.user)
    throttle.require_anonymous(request)
    return ANONYMOUS


def _by_token(request: HttpRequest, header: str) -> Principal:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii():
        throttle.note_bad_token(request)
        raise unauthenticated("Send `Authorization: Bearer <token>`.")
    if token.startswith(secrets.API_TOKEN_PREFIX):
        found = _by_personal_token(request, token)
    else:
        found = _by_access_token(request, token)
    if found is None:
        throttle.note_bad_token(request)
        raise unauthenticated("The token is unknown, or no longer valid.")
    return found


def _by_personal_token(request: HttpRequest, token: str) -> Principal | None:
    throttle.require_few_bad_tokens(request)
    throttle.require_token(request, secrets.hashed(token))
    personal = selectors.api_token(token)
    if personal is None:
        return None
    # However many tokens a user has, they share the user's limit.
    throttle.require_user(request, personal.user_id)
    services.note_use(personal)
    return Principal(personal.user, frozenset(personal.scopes))


def _by_access_token(request: HttpRequest, token: str) -> Principal | None:
    """A forged token costs no query: the signature is checked first."""
    access = secrets.read_access(token)
    if access is None:
        return None
    if access.user is not None:
        throttle.require_user(request, access.user)
    user = selectors.user_of_session(access)
    if user is None:
        return None
    if access.user is None:
        throttle.require_user(request, user.pk)
    return Principal(user)


def _missing(scope: Scope | None) -> str:
    if scope is None:
        return "No personal token may do this: sign in."
    needed = " and ".join([scope, *NEEDED_WITH.get(scope, ())])
    return f"The token needs the scope {needed}."


def unauthenticated(detail: str) -> Problem:
    return Problem(UNAUTHENTICATED, detail)
