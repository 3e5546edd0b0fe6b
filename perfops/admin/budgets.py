"""Budgets: a form to edit them, and their history."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from perfops.admin import badges
from perfops.budgets import selectors
from perfops.budgets.metrics.metric import SHARE, WrongValue
from perfops.budgets.metrics.registry import metric_of
from perfops.budgets.selectors import Judgement
from perfops.budgets.services import bound
from perfops.charts import Bound, Chart, Line, chart, meter
from perfops.formatting import count_text
from perfops.models.budgets import Budget

_BOUNDS = ("target", "threshold")


class BudgetForm(forms.ModelForm):
    """Bounds are typed with their units: ``85%``, ``300 ms``, ``500 req/s``."""

    target = forms.CharField(max_length=30, help_text="With its unit: 300 ms, 85%, 1000 req/s.")
    threshold = forms.CharField(max_length=30, help_text="Reaching it violates the budget.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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


@admin.register(Budget)
class BudgetAdmin(admin.ModelAdmin):
    form = BudgetForm
    ordering = ["id"]
    sortable_by = ()
    change_form_template = "perfops/budget_form.html"

    class Media:
        css = {"all": ["perfops/perfops.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        # Once for all rows; the columns below read from it.
        request.perfops_judgements = selectors.latest()  # type: ignore[attr-defined]
        return super().changelist_view(request, {"title": "Budgets", **(extra_context or {})})

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        judgements: dict[int, Judgement] = getattr(request, "perfops_judgements", {})

        @admin.display(description="Latest")
        def latest(budget: Budget) -> str:
            found = judgements.get(budget.pk)
            return f"{found.value_text} (run {found.run_id})" if found else "-"

        @admin.display(description="Value against bounds")
        def margin(budget: Budget) -> SafeString | str:
            found = judgements.get(budget.pk)
            return _meter(found) if found else "-"

        @admin.display(description="Outcome")
        def outcome(budget: Budget) -> SafeString | str:
            found = judgements.get(budget.pk)
            return (
                badges.of_outcome(found.outcome, found.label).html()
                if found
                else "not measured yet"
            )

        return ["name", "target_text", "threshold_text", "action", latest, margin, outcome]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        budget = self.get_object(request, object_id)
        drawn = history_chart(budget, selectors.history(budget)) if budget else None
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "chart": drawn}
        )

    @admin.display(description="Budget")
    def name(self, budget: Budget) -> str:
        return str(budget)

    @admin.display(description="Target")
    def target_text(self, budget: Budget) -> str:
        return metric_of(budget).bound_text(budget.target)

    @admin.display(description="Threshold")
    def threshold_text(self, budget: Budget) -> str:
        return metric_of(budget).bound_text(budget.threshold)


def history_chart(budget: Budget, history: list[Judgement]) -> Chart | None:
    """Return the budget's values over the runs; one that can't tell is a gap."""
    if not history:
        return None
    measure = metric_of(budget)
    factor, unit = (100, "%") if measure.unit == SHARE else (1, measure.unit.name)
    places = list(range(len(history)))
    return chart(
        f"{budget} over the last {count_text(len(history), 'run')}, in {unit}",
        xs=places,
        x_text=lambda place: f"run {history[int(place)].run_id}" if place in places else "",
        y_text=lambda value: measure.text(value / factor),
        lines=[
            Line(
                str(budget),
                "po-line-1",
                [None if each.value is None else each.value * factor for each in history],
            )
        ],
        bounds=[
            Bound(
                f"target {measure.bound_text(budget.target)}", "po-target", budget.target * factor
            ),
            Bound(
                f"threshold {measure.bound_text(budget.threshold)}",
                "po-threshold",
                budget.threshold * factor,
            ),
        ],
        x_label="run",
    )


def _meter(found: Judgement) -> SafeString:
    if found.value is None:
        return SafeString("-")
    kind = badges.of_outcome(found.outcome, found.label).kind
    bar = meter(found.value, target=found.target, threshold=found.threshold)
    label = f"{found.name} {found.value_text}, {found.margin_text}"
    return render_to_string("perfops/_meter.html", {"meter": bar, "kind": kind, "label": label})
