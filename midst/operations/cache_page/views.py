"""The cache's page: its state, and two ways to clear it."""

from functools import partial
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from redis.exceptions import RedisError

from midst.kernel.cache.regions import all_regions
from midst.operations.cache_page import clearing, overview, texts
from midst.operations.models import Cache


class ClearForm(forms.Form):
    """Either a region or a pattern; ``cursor``: where an unfinished deletion continues."""

    region = forms.ChoiceField(required=False)
    pattern = forms.CharField(required=False)
    cursor = forms.IntegerField(required=False, min_value=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["region"])
        field.choices = [(region.name, region.name) for region in all_regions()]

    def clean_pattern(self) -> str:
        pattern: str = self.cleaned_data["pattern"]
        try:
            return pattern and clearing.checked_pattern(pattern)
        except clearing.BadPattern as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        if not self.errors and bool(found["region"]) == bool(found["pattern"]):
            raise forms.ValidationError("Give either a region or a pattern.")
        return found


def urls(site: AdminSite) -> list[URLPattern]:
    def wrapped(view: Any) -> Any:
        return site.admin_view(partial(view, site))

    return [
        path("cache/", wrapped(cache_view), name="cache"),
        path("cache/clear/", wrapped(clear_view), name="cache_clear"),
    ]


def app_entry(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the entry for the site's index and side bar; empty without the permission."""
    if not may_see(request):
        return []
    url = reverse("admin:cache")
    entry = {
        "name": "Cache", "object_name": "Cache", "admin_url": url, "add_url": None,
        "view_only": True, "perms": {"view": True}, "model": Cache,
    }  # fmt: skip
    return [
        {
            "name": "Operations", "app_label": "operations", "app_url": url,
            "has_module_perms": True, "models": [entry],
        }
    ]  # fmt: skip


def cache_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Show the state of the cache. Requires ``view_cache`` or ``clear_cache``."""
    if not may_see(request):
        raise PermissionDenied
    page = texts.build(overview.collect())
    context = {"title": "Cache", "page": page, "can_clear": _may_clear(request)}
    return TemplateResponse(request, "admin/cache.html", {**site.each_context(request), **context})


def clear_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for confirmation; clear on POST. Requires ``clear_cache``."""
    if not _may_clear(request):
        raise PermissionDenied
    form = ClearForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        for problems in form.errors.values():
            for problem in problems:
                messages.error(request, str(problem))
        return HttpResponseRedirect(reverse("admin:cache"))
    region, pattern, cursor = (form.cleaned_data[name] for name in ("region", "pattern", "cursor"))
    if request.method == "POST":
        return _clear(request, region) if region else _delete(request, pattern, cursor or 0)
    context = {
        "title": "Clear the cache", "region": region, "pattern": pattern, "cursor": cursor or 0,
        "cache_url": reverse("admin:cache"),
    }  # fmt: skip
    return TemplateResponse(
        request, "admin/clear_cache.html", {**site.each_context(request), **context}
    )


def _clear(request: HttpRequest, name: str) -> HttpResponse:
    region = next(each for each in all_regions() if each.name == name)
    if clearing.clear_region(region, by=request.user.get_username()):
        message = f"Every cached answer of the region {name} is invalid now."
        messages.success(request, message)
    else:
        message = f"Redis is not available: the region {name} will be cleared when it is back."
        messages.warning(request, message)
    _log(request, name, message)
    return HttpResponseRedirect(reverse("admin:cache"))


def _delete(request: HttpRequest, pattern: str, cursor: int) -> HttpResponse:
    try:
        done = clearing.delete_matching(pattern, by=request.user.get_username(), cursor=cursor)
    except RedisError as error:
        message = f"Redis is not available ({error}). Part of the entries may be deleted."
        messages.error(request, message)
        _log(request, pattern, message)
        return HttpResponseRedirect(reverse("admin:cache"))
    message = f"Deleted {done.keys:,} cached answers that match {pattern}."
    if done.is_finished:
        messages.success(request, message)
        _log(request, pattern, message)
        return HttpResponseRedirect(reverse("admin:cache"))
    message += " More are left."
    messages.warning(request, message)
    _log(request, pattern, message)
    query = urlencode({"pattern": pattern, "cursor": done.cursor})
    return HttpResponseRedirect(f"{reverse('admin:cache_clear')}?{query}")


def _log(request: HttpRequest, what: str, message: str) -> None:
    LogEntry.objects.create(
        user_id=cast(int, request.user.pk),
        content_type=ContentType.objects.get_for_model(Cache),
        object_repr=what[:200],
        action_flag=DELETION,
        change_message=message,
    )


def may_see(request: HttpRequest) -> bool:
    """Return whether the user may look at the cache's page."""
    return request.user.has_perm("operations.view_cache") or _may_clear(request)


def _may_clear(request: HttpRequest) -> bool:
    return request.user.has_perm("operations.clear_cache")
