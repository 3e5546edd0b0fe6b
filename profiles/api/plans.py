"""A profile's plan, its usage, the export of the profile and its import."""

from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router

from midst.accounts.access import principal
from midst.kernel import openapi
from midst.kernel.http import own_path, send, send_own
from midst.kernel.input import sent
from midst.kernel.problems import CONFLICT, NOT_YOURS, QUOTA_EXHAUSTED
from profiles.api import READER, WRITER, staff
from profiles.collections.export import Export, ImportResult, ProfileImport
from profiles.schemas import plans as schemas
from profiles.selectors import subscriptions as selectors
from profiles.services import exports, quotas

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
    response=Export,
    # It spends the month's quota: that is a write.
    auth=WRITER,
    summary="Export everything",
    openapi_extra=openapi.problems(QUOTA_EXHAUSTED),
)
def export(request: HttpRequest, profile: str) -> HttpResponse:
    """The profile and everything that belongs to it, as its owner sees it. Counts as an export."""
    return send(exports.export(profile, principal(request).user))


@router.post(
    "/me/import",
    response={200: ImportResult, 201: ImportResult},
    auth=WRITER,
    summary="Import an export",
    openapi_extra=openapi.problems(CONFLICT, QUOTA_EXHAUSTED),
)
def import_profile(
    request: HttpRequest, data: ProfileImport, replace: Literal["true", "false"] = "false"
) -> HttpResponse:
    """Makes one of your profiles equal to an export: that with its id, else that with its slug.

    Without one, a new profile is made (201). What is equal already stays as it is, so a second
    import changes nothing and says "unchanged". A profile that differs is a 409 unless `replace` is
    true. A collection that is left out stays as it is; one that is there is replaced as a whole, by
    1000 rows at most. Ids and the times of creation and change are the server's. All is written, or
    nothing. What is added counts against the plan like what is made one by one.
    """
    result = exports.restore(principal(request).user, data, replace=replace == "true")
    if result["outcome"] != "created":
        return send(result)
    here = own_path(request).removesuffix("/me/import")
    return send(result, status=201, location=f"{here}/{result['id']}")
