"""The same answers as a project with django-ninja has them, bodies kept in Django's cache."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django_tables import DETAIL, SUMMARY, Profile, listed, public
from ninja import ModelSchema, NinjaAPI, Query, Schema

api = NinjaAPI(docs_url=None)


class Summary(ModelSchema):
    class Meta:
        model = Profile
        fields = SUMMARY


class Detail(ModelSchema):
    class Meta:
        model = Profile
        fields = DETAIL


class Page(Schema):
    items: list[Summary]
    next: UUID | None


def answer(key: str, compute: Callable[[], Schema]) -> HttpResponse:
    body = cache.get(key)
    if body is None:
        body = compute().model_dump_json()
        cache.set(key, body)
    return HttpResponse(body, content_type="application/json")


@api.get("/health")
def health(request: HttpRequest) -> dict[str, str]:
    return {"status": "ok"}


@api.get("/api/v1/profiles", response=Page)
def profiles(
    request: HttpRequest,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    created_from: datetime = datetime(1970, 1, 1, tzinfo=UTC),
) -> HttpResponse:
    def compute() -> Page:
        found = listed(created_from, limit)
        following = found[limit - 1].id if len(found) > limit else None
        return Page(items=[Summary.from_orm(each) for each in found[:limit]], next=following)

    return answer(f"list:{limit}:{created_from.isoformat()}", compute)


@api.get("/api/v1/profiles/{profile_id}", response=Detail)
def profile(request: HttpRequest, profile_id: UUID) -> HttpResponse:
    return answer(
        f"row:{profile_id}", lambda: Detail.from_orm(get_object_or_404(public(), pk=profile_id))
    )


urlpatterns = [path("", api.urls)]
