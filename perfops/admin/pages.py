"""What the admin classes of perfops share: rows that measurements made, shown on our own pages."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import router, transaction
from django.db.models import Model, ProtectedError, RestrictedError
from django.db.models.deletion import Collector
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.html import format_html
from django.utils.safestring import SafeString


def minute(at: datetime) -> SafeString:
    """Return ``at`` as every page shows it: the minute, with its zone, and UTC when pointed at.

    A script puts it into the reader's own zone. Without USE_TZ it is local time, without a zone.
    """
    if not timezone.is_aware(at):
        return format_html("<time>{}</time>", f"{at:%Y-%m-%d %H:%M}")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.isoformat(timespec="seconds"),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}",
    )


class CheckedList(ChangeList):
    """A list that answers odd parameters with its first page."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Django takes these parameters, and they end in a server error."""
        values = [text for _, found in request.GET.lists() for text in found]
        if request.GET.get("p", "").startswith("-") or any("\0" in text for text in values):
            raise IncorrectLookupParameters
        super().__init__(request, *args, **kwargs)


class _Narrow(CheckedList):
    """A list without what only the page of a row shows."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        admin_class: Any = self.model_admin
        return super().get_queryset(*args, **kwargs).defer(*admin_class.only_on_page)


def sorted_by_column[T](
    changes: ChangeList, rows: list[T], figure: Callable[[str, T], Any]
) -> list[T]:
    """Return the rows of a list that is no query, in the order of the column that was asked for.

    ``figure``: of a column's name ("" where none was asked for) and a row. Greatest first, unless
    the reader asks for the least. Columns need an ``ordering``, and Django's is not used.
    """
    columns = dict(enumerate(map(str, changes.list_display)))
    asked = [
        (columns[place], way)
        for place, way in changes.get_ordering_field_columns().items()
        if columns.get(place) in (changes.sortable_by or ())
    ]
    name, way = asked[0] if asked else ("", "desc")
    return sorted(rows, key=lambda row: figure(name, row), reverse=way == "desc")


class CheckedAdmin(admin.ModelAdmin):
    """A list that refuses the parameters and keys that Django answers with a server error.

    ``what``: what the list is of, in a sentence below its title.
    """

    what = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CheckedList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Raises ``BadRequest`` where a form has selected what is no key of a row."""
        keys = request.POST.getlist("_selected_action") if request.method == "POST" else []
        try:
            are_keys = all("\0" not in str(self.opts.pk.to_python(key)) for key in keys)
        except ValidationError:
            are_keys = False
        if not are_keys:
            raise BadRequest("A selected row has a key that no row can have.")
        return super().changelist_view(request, extra_context)


class MeasuredAdmin(CheckedAdmin):
    """Nobody adds or edits what was measured; deleting stays a permission of its own."""

    change_list_template = "perfops/change_list.html"
    empty_text = ""
    # Wide fields that no column of the list shows.
    only_on_page: tuple[str, ...] = ()
    list_per_page = 30
    show_full_result_count = False
    actions: Any = None

    class Media:
        css = {"all": ["perfops/perfops.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return _Narrow

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what is deleted and count what goes with it: a run has a sample for each second.

        Django's own reads each of them, which takes seconds for a run of 20 routes.
        """
        collector = Collector(using=router.db_for_write(self.model), origin=objs)
        protected: list[str] = []
        try:
            collector.collect(objs)
        except ProtectedError as error:
            protected = [str(each) for each in error.protected_objects]
        except RestrictedError as error:
            protected = [str(each) for each in error.restricted_objects]
        found: Counter[type[Model]] = Counter()
        for model, rows in collector.data.items():
            found[model] += len(rows)
        for quick in collector.fast_deletes:
            found[quick.model] += quick.count()
        counts = {
            str(model._meta.verbose_name_plural): number
            for model, number in found.items()
            if number
        }
        needed = {
            str(model._meta.verbose_name)
            for model in found
            if self.admin_site.is_registered(model)
            and not self.admin_site.get_model_admin(model).has_delete_permission(request)
        }
        return [str(each).capitalize() for each in objs], counts, needed, protected

    def may(self, request: HttpRequest, permission: str) -> bool:
        return bool(request.user.has_perm(f"perfops.{permission}"))

    def require(self, request: HttpRequest, permission: str) -> None:
        """Raise ``PermissionDenied`` unless the user has ``perfops.<permission>``."""
        if not self.may(request, permission):
            raise PermissionDenied

    def viewed(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object to who may see it. Raises ``Http404``, ``PermissionDenied``."""
        found = self.get_object(request, object_id)
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        if found is None:
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}.")
        return found

    def looking(self, view: Any) -> Any:
        """Return the admin's view of a page that asks the database on a connection of its own.

        Under ``ATOMIC_REQUESTS`` a transaction of the request would hold the one connection that a
        pooler may have.
        """
        return transaction.non_atomic_requests(self.admin_site.admin_view(view))

    def url(self, name: str, *arguments: Any) -> str:
        """Return the URL of one of this model's pages: changelist, change, ..."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=arguments)

    def page(
        self, request: HttpRequest, template: str, title: str, **context: Any
    ) -> TemplateResponse:
        """Answer with one of our own templates, framed like every page of the site."""
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "list_url": self.url("changelist"),
                "list_name": str(self.opts.verbose_name_plural).capitalize(),
                **context,
            },
        )

    def back_to(self, object_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url("change", object_id))

    def live(
        self, request: HttpRequest, template: str, *, active: bool, **context: Any
    ) -> HttpResponse:
        """Answer with a part of a page; its script asks again while ``X-Active`` is 1."""
        content = render_to_string(template, context, request)
        return live_answer(request, Fragment(content, active))


class Fragment(NamedTuple):
    """A part of a page as HTML; ``is_active``: it will change."""

    content: str
    is_active: bool


def live_answer(request: HttpRequest, fragment: Fragment) -> HttpResponse:
    """Answer with ``fragment``, or 304 to a reader who has it (by ``If-None-Match``)."""
    response = HttpResponse(fragment.content)
    response["X-Active"] = "1" if fragment.is_active else "0"
    response["Cache-Control"] = "no-store"
    digest = hashlib.sha256(f"{fragment.is_active} {fragment.content}".encode()).hexdigest()[:32]
    found = get_conditional_response(request, etag=f'"{digest}"', response=response)
    assert isinstance(found, HttpResponse)  # noqa: S101 -- it was given one
    found["ETag"] = f'"{digest}"'
    return found


class SharedFragments:
    """Fragments that are the same for all readers: each process makes one once in ``for_s`` (s).

    So the cost of a page that many watch does not grow with their number.
    """

    def __init__(self, *, for_s: float = 1.0) -> None:
        self._for_s = for_s
        self._lock = Lock()
        self._made: dict[Hashable, tuple[float, Fragment]] = {}

    def get(self, key: Hashable, make: Callable[[], Fragment]) -> Fragment:
        """Return what ``make`` returned for ``key`` less than ``for_s`` ago, else what it returns.

        Readers who ask while it is made wait for it. What has ended is not kept.
        """
        with self._lock:
            now = time.monotonic()
            self._made = {k: m for k, m in self._made.items() if now - m[0] < self._for_s}
            if key in self._made:
                return self._made[key][1]
            made = make()
            if made.is_active:
                self._made[key] = (time.monotonic(), made)
            return made
