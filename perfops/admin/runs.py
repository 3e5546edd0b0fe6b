"""Load runs: list, page, start, cancel; and the page about monitoring."""

import re
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.views.decorators.http import require_POST

from perfops.admin import badges, run_comparison, run_page, search
from perfops.admin.badges import Badge
from perfops.admin.pages import Fragment, MeasuredAdmin, SharedFragments, live_answer, minute
from perfops.admin.run_form import RateForm, StartForm
from perfops.budgets import starting
from perfops.budgets.prometheus import pipeline
from perfops.budgets.prometheus.pipeline import Figure, Pipeline
from perfops.charts import SPARK_HEIGHT, SPARK_WIDTH, sparkline
from perfops.conf import conf
from perfops.formatting import ms_text, percent_text, time_text
from perfops.jobs import lifecycle, queue
from perfops.load import comparison, parameters
from perfops.load import scenarios as plans
from perfops.load import services as runs
from perfops.load.routes import UnusableRoutes
from perfops.models.jobs import Trigger
from perfops.models.runs import LoadRun

# As it is written in sentences as well: "run 12".
_NUMBER = re.compile(r"(?:run )?([0-9]{1,9})", re.IGNORECASE)
_WATCHED = SharedFragments()


@admin.register(LoadRun)
class LoadRunAdmin(MeasuredAdmin):
    what = "A load run sends requests at a planned rate, measures the answers, and is judged."
    list_display = ["name", "outcome", "p95", "errors", "spark", "when"]
    list_filter = ["scenario", "verdict", "state"]
    ordering = ["-created_at", "-id"]
    search_fields = ["scenario", "target"]
    search_help_text = "In the scenario or the target; or the number of a run."
    sortable_by = ("name", "outcome", "p95", "errors", "when")
    only_on_page = ("reasons", "plan", "fingerprint", "server", "log", "message")
    empty_text = "No run yet: start one here, or run manage.py run_load_test smoke."

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        ours: list[URLPattern] = [
            path("start/", wrap(self.start_view), name="perfops_loadrun_start"),
            path("pipeline/", wrap(self.pipeline_view), name="perfops_pipeline"),
            path("search/", wrap(self.search_view), name="perfops_search"),
            path("<int:run_id>/live/", wrap(self.live_view), name="perfops_loadrun_live"),
            path("<int:run_id>/compare/", wrap(self.compare_view), name="perfops_loadrun_compare"),
            path(
                "<int:run_id>/rate/",
                wrap(require_POST(self.rate_view)),
                name="perfops_loadrun_rate",
            ),
            path(
                "<int:run_id>/cancel/",
                wrap(require_POST(self.cancel_view)),
                name="perfops_loadrun_cancel",
            ),
        ]
        return [*ours, *super().get_urls()]

    def pipeline_view(self, request: HttpRequest) -> HttpResponse:
        self.require(request, "view_loadrun")
        page = pipeline_context(pipeline.state())
        return self.page(
            request, "perfops/pipeline.html", "Monitoring pipeline", page=page, list_url=""
        )

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Search all that the user may see; ``?q=`` is what for."""
        term = search.cleaned(request.GET.get("q", ""))
        hits = search.search(self.admin_site, request, term)
        return self.page(
            request, "perfops/search.html", "Search", term=term, hits=hits, list_url="",
            sentence=search.sentence(term, hits),
        )  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: Any, term: str) -> Any:
        """Return the runs of a scenario or target, or the one of a number."""
        if number := _NUMBER.fullmatch(term):
            return queryset.filter(pk=int(number[1])), False
        return super().get_search_results(request, queryset, term)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("requested_by")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        lifecycle.reap()
        context = {
            "title": "Load runs",
            **(extra_context or {}),
            "action_url": self.url("start") if self.may(request, "run_loadrun") else "",
            "action_name": "Start a run",
            "action_is_link": True,
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        lifecycle.reap()
        run = self.viewed(request, object_id)
        title = f"Run {run.pk}: {run.scenario}"
        return self.page(request, "perfops/run.html", title, **self._context(request, run))

    def live_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Answer with the run's part of its page: the same for all who may see runs."""
        if not self.has_view_permission(request):
            raise PermissionDenied

        def make() -> Fragment:
            queue.look_after_jobs()
            run = get_object_or_404(LoadRun, pk=run_id)
            content = render_to_string("perfops/_run.html", {"page": run_page.build(run)})
            return Fragment(content, run.is_active)

        # What is said of times and numbers follows the reader's zone and language.
        key = (run_id, timezone.get_current_timezone_name(), get_language())
        return live_answer(request, _WATCHED.get(key, make))

    def start_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the form; start on POST and go to the run's page."""
        self.require(request, "run_loadrun")
        try:
            scenarios = plans.every()
        except plans.UnknownScenario as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self.url("changelist"))
        initial = {
            "scenario": request.GET.get("scenario", "smoke"),
            "target": request.GET.get("target", conf().DEFAULT_TARGET),
        }
        form = StartForm(request.POST or None, initial=initial, scenarios=list(scenarios))
        if request.method == "POST" and form.is_valid():
            try:
                run = starting.start(
                    form.cleaned_data["scenario"], form.wishes(),
                    target=form.cleaned_data["target"], trigger=Trigger.ADMIN, user=request.user,
                    request=request,
                )  # fmt: skip
            except runs.RunRefused as error:
                form.add_error(None, str(error))
            else:
                self.log_addition(request, run, f"Started against {run.target}")
                return self.back_to(run.pk)
        described = [(name, f"{each.title} {_mix_of(name)}") for name, each in scenarios.items()]
        return self.page(
            request, "perfops/start_run.html", "Start a load run", form=form, scenarios=described
        )

    def compare_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Compare with the run ``?with=``, by default the previous comparable one."""
        run = self.viewed(request, str(run_id))
        wanted = request.GET.get("with", "")
        if wanted:
            other = self.viewed(request, wanted)
        else:
            other = next(iter(comparison.last_comparable(run)), None)
        # The older one is what the other is compared with, whichever was asked for first.
        pair = sorted((run, other), key=lambda each: each.created_at) if other is not None else []
        found = run_comparison.build(*pair) if pair else {}
        return self.page(
            request, "perfops/comparison.html", f"Run {run.pk} compared", run=run, other=other,
            choices=run_comparison.choices(run), **found,
        )  # fmt: skip

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        self.require(request, "cancel_loadrun")
        run = self.viewed(request, str(run_id))
        if not runs.request_cancel(run.pk, **_asked_by(request)):
            messages.warning(request, f"Run {run.pk} has ended already.")
        else:
            self.log_change(request, run, "Canceled")
        return self.back_to(run.pk)

    def rate_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        self.require(request, "run_loadrun")
        run = self.viewed(request, str(run_id))
        form = RateForm(request.POST)
        if not form.is_valid():
            messages.error(request, "The rate is a number of requests a second, such as 150.")
            return self.back_to(run.pk)
        rate = form.cleaned_data["rate"]
        try:
            runs.request_rate(run.pk, rate, **_asked_by(request))
        except runs.RunRefused as error:
            messages.error(request, str(error))
        else:
            self.log_change(request, run, f"Rate: {rate:,.4g} req/s")
            messages.info(request, f"It goes on with {rate:,.4g} req/s within seconds.")
        return self.back_to(run.pk)

    def _context(self, request: HttpRequest, run: LoadRun) -> dict[str, Any]:
        return {
            "page": run_page.build(run),
            "can_run": self.may(request, "run_loadrun"),
            "can_cancel": self.may(request, "cancel_loadrun"),
            "start_url": self.url("start"),
            "cancel_url": self.url("cancel", run.pk),
            "rate_url": self.url("rate", run.pk),
            "may_steer": self.may(request, "run_loadrun")
            and not {"find_limit", "abort"} & run.plan.keys(),
            "live_url": self.url("live", run.pk),
        }

    @admin.display(description="Run", ordering="pk")
    def name(self, run: LoadRun) -> str:
        return f"{run.pk} · {run.scenario}"

    @admin.display(description="Requested", ordering="created_at")
    def when(self, run: LoadRun) -> str:
        return minute(run.created_at)

    @admin.display(description="Verdict", ordering="verdict")
    def outcome(self, run: LoadRun) -> SafeString:
        return badges.of_run(run).html()

    @admin.display(
        description="p95, with waiting",
        ordering=F("summary__intended_latency_ms__p95").asc(nulls_first=True),
    )
    def p95(self, run: LoadRun) -> str:
        """As budgets judge it."""
        return ms_text(run.summary.get("intended_latency_ms", {}).get("p95"))

    @admin.display(description="Errors", ordering=F("summary__error_rate").asc(nulls_first=True))
    def errors(self, run: LoadRun) -> str:
        return percent_text(run.summary.get("error_rate"))

    @admin.display(description="p95 over time")
    def spark(self, run: LoadRun) -> SafeString:
        points = sparkline(run.summary.get("p95_over_time", []))
        size = {"width": SPARK_WIDTH, "height": SPARK_HEIGHT}
        label = f"p95 latency of run {run.pk} over time"
        return render_to_string("perfops/_spark.html", {"points": points, "label": label, **size})


def _asked_by(request: HttpRequest) -> dict[str, Any]:
    return {"user": request.user, "trigger": Trigger.ADMIN, "request": request}


def _mix_of(scenario: str) -> str:
    """Return the parts of the scenario's mix as a sentence; "" where its script decides."""
    try:
        found = parameters.parts(plans.find(scenario))
    except (plans.UnknownScenario, UnusableRoutes):
        return ""
    several = ", ".join(f"{name} {share:g}" for name, share in found.items())
    return f"Mix: {several}." if found else ""


_NOT_CONFIGURED = (
    "Prometheus is not configured: the state of monitoring is unknown. Set "
    'PERFOPS["PROMETHEUS_URL"] (PERFOPS_PROMETHEUS_URL) to its address, such as '
    "http://127.0.0.1:9090, and start again."
)


def pipeline_context(pipeline: Pipeline) -> dict[str, Any]:
    """Return what ``perfops/pipeline.html`` shows."""
    now = datetime.now(UTC)
    return {
        "badge": _badge(pipeline),
        "sentence": _sentence(pipeline),
        "figures": [_figure(each) for each in pipeline.figures],
        "targets": [
            {
                "job": each.job,
                "instance": each.instance,
                "badge": _health(each.health),
                "scraped": _ago(each.at, now) if each.at else "never",
                "error": each.error,
            }
            for each in pipeline.targets
        ],
        "alerts": [
            {
                "name": each.name,
                "badge": Badge("bad", "✗", each.severity)
                if each.severity == "critical"
                else Badge("warning", "!", each.severity),
                "state": each.state,
                "summary": each.summary,
                "since": each.since,
                "runbook": each.runbook,
            }
            for each in pipeline.alerts
        ],
        "knows": bool(pipeline.address and not pipeline.problem),
    }


def _badge(pipeline: Pipeline) -> Badge:
    if not pipeline.address:
        return Badge("odd", "?", "not configured")
    if pipeline.problem:
        return Badge("bad", "✗", "no answer")
    if not pipeline.targets:
        return Badge("bad", "✗", "nothing is scraped")
    if pipeline.down or any(figure.is_bad for figure in pipeline.figures):
        return Badge("bad", "✗", "some targets are down")
    if pipeline.firing:
        return Badge("warning", "!", "alerts fire")
    return Badge("good", "✓", "watching")


def _sentence(pipeline: Pipeline) -> str:
    if not pipeline.address:
        return _NOT_CONFIGURED
    if pipeline.problem:
        return pipeline.problem
    up = len(pipeline.targets) - pipeline.down
    fires = f"{pipeline.firing} alert{'s fire' if pipeline.firing != 1 else ' fires'}"
    return (
        f"{up} of {len(pipeline.targets)} targets are up; "
        f"{fires if pipeline.firing else 'no alert fires'}. Prometheus: {pipeline.address}."
    )


def _health(health: str) -> Badge:
    kinds = {"up": ("good", "✓"), "down": ("bad", "✗")}
    return Badge(*kinds.get(health, ("odd", "?")), health)


def _figure(figure: Figure) -> dict[str, Any]:
    known = figure.value is not None
    return {
        "name": figure.name,
        "value": f"{figure.value:,.0f}" if known else "-",
        "note": figure.note if known else "not measured",
        "kind": "bad" if figure.is_bad else "",
    }


def _ago(at: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - at).total_seconds())
    return f"{time_text(seconds)} ago"
