"""Where statements come from, which rows of pg_stat_statements they are, and their plans."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from perfops.formatting import count_text
from perfops.models.runs import LoadRun


class QueryTemplate(models.Model):
    """A statement as the application writes it, with placeholders instead of values.

    The key is computed from database and text (``perfops.origins.store.key``), so that every
    process knows it without asking.
    """

    id = models.BigIntegerField(primary_key=True)
    database = models.CharField(max_length=100, help_text="Alias in DATABASES.")
    text = models.TextField()
    # Rows of pg_stat_statements. Several: literals or $1, types of parameters, server versions.
    queryids = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    # Kinds of parameters that were looked up already, as hashes.
    signatures = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    identified_at = models.DateTimeField(null=True, blank=True)
    # One set of real parameters as [type, text] each; null unless SAMPLE_PARAMETERS is on.
    sample = models.JSONField(null=True, blank=True)
    sampled_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField()
    # The project's frames when a process sent it first, innermost first: "file:line function".
    stack = models.TextField(blank=True, default="", db_default="")

    class Meta:
        verbose_name = "query"
        verbose_name_plural = "queries"
        permissions = [("explain_query", "Can ask for the plan of a query")]
        indexes = [GinIndex(fields=["queryids"], name="perfops_template_queryids")]

    def __str__(self) -> str:
        return " ".join(self.text.split())[:80]


class QueryOrigin(models.Model):
    """How often one line of the project sent a statement on behalf of one route, task, command."""

    class Kind(models.TextChoices):
        REQUEST = "request", "request"
        TASK = "task", "task"
        COMMAND = "command", "command"
        PROCESS = "process", "process"

    class Span(models.TextChoices):
        MINUTE = "minute", "minute"
        HOUR = "hour", "hour"
        DAY = "day", "day"
        MONTH = "month", "month"

    template = models.ForeignKey(
        QueryTemplate, models.CASCADE, related_name="origins", db_index=False
    )
    site = models.CharField(max_length=300, blank=True, help_text="file:line in the project.")
    function = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=300, help_text="Route, task or command.")
    # The model's relation that is followed, as app.Model.name; empty where none is.
    relation = models.CharField(max_length=200, blank=True, default="", db_default="")
    span = models.CharField(max_length=6, choices=Span, default=Span.HOUR)
    at = models.DateTimeField(help_text="Where the minute, hour, day or month begins, in UTC.")

    calls = models.BigIntegerField()
    total_ms = models.FloatField(help_text="As the application waited for it.")
    rows = models.BigIntegerField()
    # Requests, tasks or commands that sent it, and the most calls that one of them made.
    executions = models.BigIntegerField()
    max_calls_per_execution = models.BigIntegerField()
    # Those that sent it N_PLUS_ONE_CALLS times or more, and how often all of them did.
    repeated_executions = models.BigIntegerField(db_default=0)
    repeated_calls = models.BigIntegerField(db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["template", "at", "span", "kind", "name", "site"],
                name="perfops_origin_unique",
            )
        ]
        indexes = [models.Index(fields=["at"], name="perfops_origin_at")]

    def __str__(self) -> str:
        return f"{self.site or '-'} for {self.name}: {count_text(self.calls, 'call')}"


class ScopeTotal(models.Model):
    """How many statements the requests of a route, a task or a command sent, all together.

    Of those that sent any; ``repeated_calls``: of statements that one of them sent again and again.
    """

    database = models.CharField(max_length=100, help_text="Alias in DATABASES.")
    kind = models.CharField(max_length=10, choices=QueryOrigin.Kind)
    name = models.CharField(max_length=300, help_text="Route, task or command.")
    span = models.CharField(max_length=6, choices=QueryOrigin.Span, default=QueryOrigin.Span.HOUR)
    at = models.DateTimeField(help_text="Where the minute, hour, day or month begins, in UTC.")

    executions = models.BigIntegerField()
    calls = models.BigIntegerField()
    total_ms = models.FloatField()
    max_calls_per_execution = models.BigIntegerField()
    repeated_calls = models.BigIntegerField()

    class Meta:
        verbose_name = "statements per request"
        verbose_name_plural = "statements per request"
        constraints = [
            models.UniqueConstraint(
                fields=["at", "span", "database", "kind", "name"], name="perfops_scope_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {count_text(self.calls, 'statement')} of {self.executions}"


class RunStatement(models.Model):
    """How often one line of the project sent a statement for one route's requests of a load run."""

    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="statements", db_index=False)
    template = models.ForeignKey(QueryTemplate, models.CASCADE, related_name="runs")
    site = models.CharField(max_length=300, blank=True, help_text="file:line in the project.")
    function = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=300, help_text="Method and route.")
    # As in QueryOrigin.
    relation = models.CharField(max_length=200, blank=True)
    calls = models.BigIntegerField()
    total_ms = models.FloatField(help_text="As the application waited for it.")
    rows = models.BigIntegerField()
    executions = models.BigIntegerField(help_text="Requests that sent it.")
    max_calls_per_execution = models.BigIntegerField()
    repeated_executions = models.BigIntegerField()
    repeated_calls = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "template", "name", "site"], name="perfops_runstatement_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.site or '-'} for {self.name}: {count_text(self.calls, 'call')}"


class RunRoute(models.Model):
    """All statements of one route's requests in a load run; its requests are all, also without."""

    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="counted", db_index=False)
    name = models.CharField(max_length=300, help_text="Method and route.")
    requests = models.BigIntegerField()
    calls = models.BigIntegerField()
    total_ms = models.FloatField(help_text="As the application waited for them.")
    rows = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="perfops_runroute_unique")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {count_text(self.calls, 'statement')} of {self.requests}"


class QueryPlan(models.Model):
    """A shape of plan that a statement had, from when to when."""

    database = models.CharField(max_length=100)
    queryid = models.CharField(max_length=20)
    fingerprint = models.CharField(max_length=64, help_text="Of its shape, without costs.")
    plan = models.JSONField()
    # perfops.analysis.plans.causes.Circumstances: what it depended on.
    circumstances = models.JSONField(default=dict)
    # Why it took the place of the one before: sentences.
    causes = models.JSONField(default=list)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["database", "queryid", "-last_seen_at"], name="perfops_plan_newest"
            )
        ]

    def __str__(self) -> str:
        return f"plan of {self.queryid} since {self.first_seen_at:%Y-%m-%d}"
