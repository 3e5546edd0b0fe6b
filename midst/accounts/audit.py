"""The audit log: sign-ins, failures, permission changes, writes in the admin.

Each event is a row that the admin shows and nobody can edit there, and a line of the log
``midst.audit``. No password, token or text of a user's goes into either.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any

from django.http import HttpRequest, HttpResponse

from midst.accounts.models import AuditEvent
from midst.kernel.input import storable
from midst.telemetry.request_context import client_address

Event = AuditEvent.Event
log = logging.getLogger("midst.audit")

_request: ContextVar[HttpRequest | None] = ContextVar("audit_request", default=None)
_LONGEST_SUBJECT = 200


def record(
    event: AuditEvent.Event,
    request: HttpRequest | None = None,
    *,
    actor: Any = None,
    subject: str = "",
    **details: Any,
) -> None:
    """Store an event, and log it. Without ``request``: the one being answered, if any."""
    request = request or _request.get()
    actor = actor or _user_of(request)
    name = actor.get_username() if actor is not None else ""
    AuditEvent.objects.create(
        event=event,
        actor=actor,
        actor_name=name,
        address=_address_of(request),
        subject=storable(subject)[:_LONGEST_SUBJECT],
        details=storable(details),
    )
    log.info("audit event=%s actor=%r subject=%r", event.value, name, subject)


def _user_of(request: HttpRequest | None) -> Any:
    """Whoever an endpoint of the API identified, else whoever the session cookie names."""
    if request is None:
        return None
    found = getattr(getattr(request, "auth", None), "user", None) or getattr(request, "user", None)
    return found if found is not None and found.is_authenticated else None


def _address_of(request: HttpRequest | None) -> str | None:
    """Over a unix socket a client has no address."""
    address = client_address(request.META) if request is not None else ""
    try:
        return str(ip_address(address))
    except ValueError:
        return None


class AuditMiddleware:
    """Keeps the request at hand for ``record``, and records every write that the admin did.

    A write in the admin ends in a redirect; a form that was refused, and a page that asks for
    confirmation, do not.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            response = self.get_response(request)
        finally:
            _request.reset(token)
        match = request.resolver_match
        if (
            request.method == "POST"
            and response.status_code in {302, 303}
            and match is not None
            and match.app_name == "admin"
            and match.url_name not in {"login", "logout"}
            and request.user.is_authenticated
        ):
            record(
                Event.ADMIN_ACTION,
                request,
                subject=request.path_info,
                view=match.view_name,
                action=request.POST.get("action", ""),
                selected=request.POST.getlist("_selected_action")[:100],
            )
        return response
