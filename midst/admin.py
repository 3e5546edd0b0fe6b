"""Midst's admin site. Every app registers with Django's ``admin.site``, which is this one."""

from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest, FieldError, ValidationError
from django.db import DataError, ProgrammingError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from midst.accounts import throttle
from midst.kernel.problems import Problem
from midst.operations.cache_page import views as cache_page
from midst.operations.tasks_page import views as tasks_page

_NO_PARAMETER = "The address or the form has a parameter that no list takes."
# What Django, psycopg and PostgreSQL raise for lookups and values that make no sense together.
_NO_LOOKUP = (
    ValueError, OverflowError, IndexError, FieldError, DataError, ProgrammingError,
)  # fmt: skip


def _no_list_takes(parameters: QueryDict) -> bool:
    texts = [*parameters, *(text for _, values in parameters.lists() for text in values)]
    return parameters.get("p", "").startswith("-") or any("\0" in text for text in texts)


def _is_narrowed_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    is_list = match is not None and (match.url_name or "").endswith("_changelist")
    return is_list and request.method == "GET" and bool(request.GET)


def _selects_no_rows(request: HttpRequest) -> bool:
    match = request.resolver_match
    shown: Any = getattr(match.func, "model_admin", None) if match is not None else None
    keys = request.POST.getlist("_selected_action") if shown and request.method == "POST" else []
    try:
        return any("\0" in str(shown.model._meta.pk.to_python(key)) for key in keys)
    except ValidationError:
        return True


class MidstAdminSite(admin.AdminSite):
    site_header = "Midst"
    site_title = "Midst"
    index_title = "Operations"

    def check(self, app_configs: Any) -> list[Any]:
        admin.autodiscover()
        return super().check(app_configs)

    @property
    def urls(self) -> Any:
        admin.autodiscover()
        return super().urls

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Guessing passwords is as slow here as over the API."""
        if request.method == "POST":
            try:
                throttle.require_login_attempt(request, request.POST.get("username", ""))
            except Problem as error:
                return TemplateResponse(
                    request,
                    "admin/too_many_attempts.html",
                    {
                        **self.each_context(request),
                        "title": "Too many attempts",
                        # There is nothing yet to go to.
                        "is_nav_sidebar_enabled": False,
                        "wait_s": error.headers["Retry-After"],
                    },
                    status=error.kind.status,
                    headers=dict(error.headers),
                )
        return super().login(request, extra_context)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Lists of Django and of other packages answer such parameters with a server error."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if _no_list_takes(request.GET) or _selects_no_rows(request):
                raise BadRequest(_NO_PARAMETER)
            if not _is_narrowed_list(request):
                return view(request, *args, **kwargs)
            try:
                response = view(request, *args, **kwargs)
                # Now, for the rows are asked for while the page is written.
                return response.render() if isinstance(response, TemplateResponse) else response
            except _NO_LOOKUP as error:
                # Django logs the answer, with what led to it.
                raise BadRequest(_NO_PARAMETER) from error

        return super().admin_view(checked, cacheable)

    def get_urls(self) -> list[Any]:
        return [*cache_page.urls(self), *tasks_page.urls(self), *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        return sorted([*apps, *cache_page.app_entry(request)], key=lambda app: app["name"].lower())
