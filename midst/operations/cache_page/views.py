"""The cache's page: how it does, and the two ways to clear it."""

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

from midst.admin import cache_page
from midst.kernel.cache import clearing, kinds, overview
from midst.operations.models import Cache


class ClearForm(forms.Form):
    """One of a kind and a pattern; ``cursor``: where an unfinished deletion goes on."""

    kind = forms.ChoiceField(required=False)
    pattern = forms.CharField(required=False)
    cursor = forms.IntegerField(required=False, min_value=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["kind"])
        field.choices = [(kind.name, kind.name) for kind in kinds.every()]

    def clean_pattern(self) -> str:
        pattern: str = self.cleaned_data["pattern"]
        try:
            return pattern and clearing.checked_pattern(pattern)
        except clearing.BadPattern as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        if not self.errors and bool(found["kind"]) == bool(found["pattern"]):
            raise forms.ValidationError("Name a kind or a pattern.")
        return found


def urls(site: AdminSite) -> list[URLPattern]:
    def wrapped(view: Any) -> Any:
        return site.admin_view(partial(view, site))

    return [
        path("cache/", wrapped(cache_view), name="cache"),
        path("cache/clear/", wrapped(clear_view), name="cache_clear"),
    ]


def app_entry(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the site's index and side bar show of it: nothing to who may not see it."""
    if not _may_see(request):
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
    """Show how the cache does to who has ``view_cache`` or ``clear_cache``."""
    if not _may_see(request):
        raise PermissionDenied
    page = cache_page.build(overview.look())
    context = {"title": "Cache", "page": page, "can_clear": _may_clear(request)}
    return TemplateResponse(request, "admin/cache.html", {**site.each_context(request), **context})


def clear_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Ask whether it is meant; clear on POST. Only for who has ``clear_cache``."""
    if not _may_clear(request):
        raise PermissionDenied
    form = ClearForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        for problems in form.errors.values():
            for problem in problems:
                messages.error(request, str(problem))
        return HttpResponseRedirect(reverse("admin:cache"))
    kind, pattern, cursor = (form.cleaned_data[name] for name in ("kind", "pattern", "cursor"))
    if request.method == "POST":
        return _clear_kind(request, kind) if kind else _delete(request, pattern, cursor or 0)
    context = {
        "title": "Clear the cache", "kind": kind, "pattern": pattern, "cursor": cursor or 0,
        "cache_url": reverse("admin:cache"),
    }  # fmt: skip
    return TemplateResponse(
        request, "admin/clear_cache.html", {**site.each_context(request), **context}
    )


def _clear_kind(request: HttpRequest, name: str) -> HttpResponse:
    kind = next(each for each in kinds.every() if each.name == name)
    if clearing.clear_kind(kind, by=request.user.get_username()):
        said = f"Every cached answer of the kind {name} is void."
        messages.success(request, said)
    else:
        said = f"Redis does not answer: the kind {name} becomes void as soon as it is back."
        messages.warning(request, said)
    _note(request, name, said)
    return HttpResponseRedirect(reverse("admin:cache"))


def _delete(request: HttpRequest, pattern: str, cursor: int) -> HttpResponse:
    try:
        done = clearing.delete_matching(pattern, by=request.user.get_username(), cursor=cursor)
    except RedisError as error:
        messages.error(request, f"Redis does not answer: {error}. What was deleted stays deleted.")
        _note(request, pattern, f"Redis did not answer: {error}")
        return HttpResponseRedirect(reverse("admin:cache"))
    said = f"Cached answers deleted that match {pattern}: {done.keys:,}."
    if done.is_finished:
        messages.success(request, said)
        _note(request, pattern, said)
        return HttpResponseRedirect(reverse("admin:cache"))
    said += " That is not all."
    messages.warning(request, said)
    _note(request, pattern, said)
    query = urlencode({"pattern": pattern, "cursor": done.cursor})
    return HttpResponseRedirect(f"{reverse('admin:cache_clear')}?{query}")


def _note(request: HttpRequest, what: str, said: str) -> None:
    LogEntry.objects.create(
        user_id=cast(int, request.user.pk),
        content_type=ContentType.objects.get_for_model(Cache),
        object_repr=what[:200],
        action_flag=DELETION,
        change_message=said,
    )


def _may_see(request: HttpRequest) -> bool:
    return request.user.has_perm("operations.view_cache") or _may_clear(request)


def _may_clear(request: HttpRequest) -> bool:
    return request.user.has_perm("operations.clear_cache")
