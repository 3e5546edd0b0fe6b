"""A profile's plan, its usage, and the export of the profile."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from midst.accounts.access import principal
from midst.kernel import openapi
from midst.kernel.http import send, send_own
from midst.kernel.input import sent
from midst.kernel.problems import NOT_YOURS, QUOTA_EXHAUSTED
from profiles.api import READER, WRITER, staff
from profiles.schemas import plans as schemas
from profiles.selectors import subscriptions as selectors
from profiles.services import profiles, quotas

router = Router(tags=["plans"])

_OWN = openapi.problems(NOT_YOURS)


@router.get(
    "/{profile}/subscription",
    response=schemas.Subscription,
    auth=READER,
    summary="Show the plan",
    openapi_extra=_OWN,
)
def subscription(request: HttpRequest, profile: str) -> HttpResponse:
    return send_own(request, selectors.terms(profile, principal(request).user))


@router.patch(
    "/{profile}/subscription",
    response=schemas.Subscription,
    auth=staff("change_subscription"),
    summary="Change the plan (staff)",
)
def change(
    request: HttpRequest,
    profile: str,
    data: schemas.SubscriptionChanges,  # type: ignore[valid-type]
) -> HttpResponse:
    fields = sent(data)
    return send_own(request, quotas.change_plan(request, profile, principal(request).user, fields))


@router.get(
    "/{profile}/usage",
    response=schemas.UsageList,
    auth=READER,
    summary="Show the usage of the plan",
    openapi_extra=_OWN,
)
def usage(request: HttpRequest, profile: str) -> HttpResponse:
    return send_own(request, selectors.usage(profile, principal(request).user))


@router.post(
    "/{profile}/export",
    response=schemas.Export,
    # It spends the month's quota: that is a write.
    auth=WRITER,
    summary="Export everything",
    openapi_extra=openapi.problems(QUOTA_EXHAUSTED),
)
def export(request: HttpRequest, profile: str) -> HttpResponse:
    """The profile and everything that belongs to it, as its owner sees it. Counts as an export."""
    return send(profiles.export(profile, principal(request).user))
