"""Sign-in over HTTP, and personal API tokens."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from midst.accounts import audit, schemas, secrets, selectors, services
from midst.accounts.access import Requires, principal
from midst.accounts.audit import Event
from midst.kernel import openapi
from midst.kernel.http import item_path, no_content, own_path, send
from midst.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT
from midst.kernel.problems import (
    CONFLICT,
    NOT_FOUND,
    RATE_LIMITED,
    UNAUTHENTICATED,
    Problem,
    invalid,
)

router = Router(tags=["auth"])

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str, Query(max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")]
_DEFAULT_LIFETIME = timedelta(days=90)
_LONGEST_LIFETIME = timedelta(days=366)
# No token may make or end tokens.
_signed_in = Requires(None)


@router.post(
    "/token",
    response=schemas.Tokens,
    auth=None,
    summary="Sign in",
    openapi_extra=openapi.problems(UNAUTHENTICATED, RATE_LIMITED),
)
def obtain(request: HttpRequest, data: schemas.Credentials) -> HttpResponse:
    tokens = services.sign_in(request, username=data.username, password=data.password)
    return send({**tokens._asdict(), "token_type": "Bearer"})


@router.post(
    "/refresh",
    response=schemas.Tokens,
    auth=None,
    summary="Exchange a refresh token",
    openapi_extra=openapi.problems(UNAUTHENTICATED, RATE_LIMITED),
)
def refresh(request: HttpRequest, data: schemas.Refresh) -> HttpResponse:
    return send({**services.refresh(request, data.refresh)._asdict(), "token_type": "Bearer"})


@router.post(
    "/revoke",
    response={204: None},
    auth=None,
    summary="Sign out",
    openapi_extra=openapi.problems(RATE_LIMITED),
)
def revoke(request: HttpRequest, data: schemas.Refresh) -> HttpResponse:
    services.sign_out(request, data.refresh)
    return no_content()


@router.get("/tokens", response=schemas.ApiTokenList, auth=_signed_in, summary="List your tokens")
def tokens(request: HttpRequest, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> HttpResponse:
    user = principal(request).user
    return send(selectors.api_tokens(user, path=own_path(request), limit=limit, cursor=cursor))


@router.delete("/tokens", response={204: None}, auth=_signed_in, summary="Revoke all your tokens")
def revoke_tokens(request: HttpRequest) -> HttpResponse:
    """A new password ends all sessions, but no token: programs go on. This ends all tokens."""
    revoked = services.revoke_all_api_tokens(principal(request).user)
    audit.record(Event.TOKENS_REVOKED, request, revoked=revoked)
    return no_content()


@router.post(
    "/tokens",
    response={201: schemas.ShownApiToken},
    auth=_signed_in,
    summary="Make a token",
    openapi_extra=openapi.problems(CONFLICT),
)
def make_token(request: HttpRequest, data: schemas.NewApiToken) -> HttpResponse:
    now = secrets.utc_now()
    expires_at = data.expires_at or now + _DEFAULT_LIFETIME
    if not now < expires_at <= now + _LONGEST_LIFETIME:
        raise invalid("body.expires_at", "must be in the future, and at most a year away")
    token, secret = services.issue_api_token(
        principal(request).user,
        name=data.name,
        scopes=[str(scope) for scope in dict.fromkeys(data.scopes)],
        expires_at=expires_at,
    )
    audit.record(Event.TOKEN_MADE, request, subject=token.hint, scopes=token.scopes)
    row = selectors.api_token_row(token.user, token.pk)
    return send({**(row or {}), "token": secret}, status=201, location=item_path(request, token.pk))


@router.get("/tokens/{uuid:id}", response=schemas.ApiToken, auth=_signed_in, summary="Show a token")
def token(request: HttpRequest, id: UUID) -> HttpResponse:  # noqa: A002 -- the URL's name for it
    row = selectors.api_token_row(principal(request).user, id)
    if row is None:
        raise Problem(NOT_FOUND, "You have no such token.")
    return send(row)


@router.delete("/tokens/{uuid:id}", response={204: None}, auth=_signed_in, summary="Revoke a token")
def revoke_token(request: HttpRequest, id: UUID) -> HttpResponse:  # noqa: A002
    if not services.revoke_api_token(principal(request).user, id):
        raise Problem(NOT_FOUND, "You have no such token.")
    audit.record(Event.TOKENS_REVOKED, request, subject=str(id))
    return no_content()
