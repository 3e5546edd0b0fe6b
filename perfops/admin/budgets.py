"""Budgets: a form to edit them, their history, and what is waived."""

import math
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from perfops.admin import badges, budget_history
from perfops.admin.pages import CheckedAdmin, CheckedList, minute, sorted_by_column
from perfops.budgets import history, selectors, waivers
from perfops.budgets.against import same_build
from perfops.budgets.metrics.metric import WrongValue
from perfops.budgets.metrics.registry import metric_of
from perfops.budgets.selectors import Judgement
from perfops.budgets.services import as_texts, bound, record_change, record_deletion
from perfops.charts import meter
from perfops.load.selectors import known_routes
from perfops.models.budgets import Budget
from perfops.models.decisions import Waiver
from perfops.models.noise import AATest

_BOUNDS = ("target", "threshold")
# Runs of the chart beside the form; the page of the history has more.
_SHOWN = 50
_WAIVERS = 10
_UNTESTED = SafeString(
    "How often a comparison of two builds is wrong on your host was not measured yet: "
    "run <code>manage.py aa_test</code> there."
)


class BudgetForm(forms.ModelForm):
    """Bounds are typed with their units: ``85%``, ``300 ms``, ``500 req/s``."""

    target = forms.CharField(max_length=30, help_text="With its unit: 300 ms, 85%, 1000 req/s.")
    threshold = forms.CharField(max_length=30, help_text="Reaching it violates the budget.")
    why = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}), help_text="For the history: why is it changed?"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "route" in self.fields:
            own = [self.instance.route] if self.instance.route else []
            names = sorted({*known_routes(), *own})
            self.fields["route"] = forms.ChoiceField(
                choices=[("", "All routes together"), *((name, name) for name in names)],
                required=False,
                help_text="Those of the newest load runs.",
            )
        if self.instance.pk:
            unit = metric_of(self.instance).unit
            for name in _BOUNDS:
                self.initial[name] = unit.bound_text(getattr(self.instance, name))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "metric" not in given:
            return given
        budget = Budget(metric=given["metric"])
        for name in _BOUNDS:
            if name in given:
                try:
                    given[name] = bound(budget, given[name])
                except WrongValue as error:
                    self.add_error(name, str(error))
        if {*_BOUNDS} <= given.keys() and metric_of(budget).is_eased(
            given["target"], given["threshold"]
        ):
            self.add_error("target", "The target must be at least as strict as the threshold.")
        return given


class _Judged(CheckedList):
    """Budgets with their latest judgement, in the order of the column that was asked for."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        judged: dict[int, Judgement] = getattr(request, "perfops_judgements", {})
        rows: list[Any] = list(self.result_list)
        for budget in rows:
            budget.judgement = judged.get(budget.pk)
        if self.get_ordering_field_columns():
            rows = sorted_by_column(self, rows, _figure)
        self.result_list = rows


def _judgement_of(budget: Budget) -> Judgement | None:
    return getattr(budget, "judgement", None)


def _figure(column: str, budget: Budget) -> Any:
    """Return what a column sorts by; what was not measured is beyond all bounds."""
    found = _judgement_of(budget)
    if column == "name":
        return str(budget).lower()
    if column == "margin":
        return -math.inf if found is None or found.margin is None else found.margin
    return (found.label if found else "") if column == "outcome" else budget.action


@admin.register(Budget)
class BudgetAdmin(CheckedAdmin):
    form = BudgetForm
    ordering = ["id"]
    what = "A bound on a figure. Each load run is judged by them; some fail CI, some send an alert."
    list_display = [
        "name", "target_text", "threshold_text", "action", "latest", "margin", "outcome",
    ]  # fmt: skip
    sortable_by = ("name", "action", "margin", "outcome")
    search_fields = ["metric", "route"]
    search_help_text = "In the name of the budget."
    change_list_template = "perfops/budget_list.html"
    change_form_template = "perfops/budget_form.html"

    class Media:
        css = {"all": ["perfops/perfops.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        # Once for all rows; the columns below read from it.
        request.perfops_judgements = selectors.latest()  # type: ignore[attr-defined]
        tested = AATest.objects.order_by("-pk").first()
        noise = same_build.sentence(tested) if tested else _UNTESTED
        context = {"title": "Budgets", "noise": noise, **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_search_results(self, request: HttpRequest, queryset: Any, term: str) -> Any:
        """By the words of the page: a metric's key stands nowhere."""
        if not term:
            return queryset, False
        named = [each.pk for each in Budget.objects.all() if term.lower() in str(each).lower()]
        return queryset.filter(pk__in=named), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return _Judged

    @admin.display(description="Latest", ordering="pk")
    def latest(self, budget: Budget) -> str:
        found = _judgement_of(budget)
        return f"{found.value_text} (run {found.run_id})" if found else "-"

    @admin.display(description="Value against bounds", ordering="pk")
    def margin(self, budget: Budget) -> SafeString | str:
        found = _judgement_of(budget)
        return _meter(found) if found else "-"

    @admin.display(description="Outcome", ordering="pk")
    def outcome(self, budget: Budget) -> SafeString | str:
        found = _judgement_of(budget)
        return badges.of_judgement(found).html() if found else "not measured yet"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        budget = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if budget:
            context["chart"] = budget_history.drawn(budget, history.read(budget, _SHOWN))
            context["history_url"] = reverse("admin:perfops_budget_runs", args=[budget.pk])
            now = timezone.now()
            named = Waiver.objects.filter(budget=str(budget)).order_by("-ends_at")[:_WAIVERS]
            context["waivers"] = [
                {
                    "badge": badges.of_waiver(each, now),
                    "url": reverse("admin:perfops_waiver_change", args=[each.pk])
                    if request.user.has_perm("perfops.view_waiver")
                    else "",
                    "ends": minute(each.ends_at),
                    "reason": each.reason,
                }
                for each in named
            ]
            context["changes"] = budget.changes.select_related("changed_by").order_by("-pk")
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.runs_view)
        return [path("<int:pk>/runs/", view, name="perfops_budget_runs"), *super().get_urls()]

    def runs_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The history of the budget, as a page or (``?format=csv``) a file."""
        budget = self.get_object(request, str(pk))
        if not self.has_view_permission(request, budget):
            raise PermissionDenied
        if budget is None:
            raise Http404(f"There is no budget {pk}.")
        found = history.read(budget)
        if request.GET.get("format") == "csv":
            return budget_history.as_csv(budget, found)
        return TemplateResponse(
            request,
            "perfops/budget_history.html",
            {
                **self.admin_site.each_context(request),
                **budget_history.context(budget, found, is_long=request.GET.get("runs") == "all"),
                "title": f"History of {budget}",
                "opts": self.opts,
                "list_url": reverse("admin:perfops_budget_changelist"),
                "list_name": "Budgets",
                "budget_url": reverse("admin:perfops_budget_change", args=[pk]),
                "target_text": self.target_text(budget),
                "threshold_text": self.threshold_text(budget),
            },
        )

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        before = as_texts(Budget.objects.get(pk=obj.pk)) if change else None
        super().save_model(request, obj, form, change)
        record_change(obj, before, by=request.user, why=form.cleaned_data["why"])

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        record_deletion(obj, by=request.user)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        for budget in queryset:
            record_deletion(budget, by=request.user)
        super().delete_queryset(request, queryset)

    @admin.display(description="Budget", ordering="pk")
    def name(self, budget: Budget) -> str:
        return str(budget)

    @admin.display(description="Target")
    def target_text(self, budget: Budget) -> str:
        return metric_of(budget).bound_text(budget.target)

    @admin.display(description="Threshold")
    def threshold_text(self, budget: Budget) -> str:
        return metric_of(budget).bound_text(budget.threshold)


class WaiverForm(forms.ModelForm):
    """A waiver is for something that reports name, gives a reason, and ends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look has no field.
        if "ends_at" in self.fields:
            widgets = getattr(self.fields["ends_at"].widget, "widgets", [])
            for widget, label in zip(widgets, ("Ends at, date", "Ends at, time"), strict=False):
                widget.attrs["aria-label"] = label

    def clean_budget(self) -> str:
        try:
            return waivers.checked_name(self.cleaned_data["budget"])
        except waivers.NotWaivable as error:
            raise forms.ValidationError(str(error)) from error

    def clean_ends_at(self) -> datetime:
        given: datetime = self.cleaned_data["ends_at"]
        if given == self.instance.ends_at and given <= timezone.now():
            return given
        try:
            return waivers.checked_end(given)
        except waivers.NotWaivable as error:
            raise forms.ValidationError(str(error)) from error


class CountsFilter(admin.SimpleListFilter):
    """Waivers that still count, or that have ended: what they waived is judged again."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("counts", "counts"), ("ended", "has ended")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now()
        if self.value() == "counts":
            return queryset.filter(ends_at__gt=now)
        return queryset.filter(ends_at__lte=now) if self.value() == "ended" else queryset


@admin.register(Waiver)
class WaiverAdmin(CheckedAdmin):
    """Waivers stay: what past reports said refers to them. ``End now`` ends one early."""

    form = WaiverForm
    ordering = ["-ends_at"]
    what = "A budget that may be broken until a day, and why. It counts again from then on."
    list_display = ["budget", "state", "ends", "reason", "created_by", "made"]
    list_select_related = ["created_by"]
    list_filter = [CountsFilter]
    search_fields = ["budget", "reason"]
    actions = ["end_now"]
    change_list_template = "perfops/change_list.html"
    empty_text = (
        "No waiver yet. One lets a known violation of a budget pass until its end; reports show "
        "the violation and the reason."
    )

    class Media:
        css = {"all": ["perfops/perfops.css"]}

    @admin.display(description="State", ordering="ends_at")
    def state(self, waiver: Waiver) -> SafeString:
        return badges.of_waiver(waiver, timezone.now()).html()

    @admin.display(description="Ends", ordering="ends_at")
    def ends(self, waiver: Waiver) -> SafeString:
        return minute(waiver.ends_at)

    @admin.display(description="Made", ordering="created_at")
    def made(self, waiver: Waiver) -> SafeString:
        return minute(waiver.created_at)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": "Waivers", **(extra_context or {})})

    @admin.action(description="End now", permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Waiver]) -> None:
        for waiver in queryset:
            if waivers.end_now(waiver.pk):
                self.log_change(request, waiver, "Ended early.")

    def save_model(self, request: HttpRequest, obj: Waiver, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _meter(found: Judgement) -> SafeString:
    if found.value is None:
        return SafeString("-")
    kind = badges.of_judgement(found).kind
    bar = meter(found.value, target=found.target, threshold=found.threshold)
    label = f"{found.name} {found.value_text}, {found.margin_text}"
    return render_to_string("perfops/_meter.html", {"meter": bar, "kind": kind, "label": label})
