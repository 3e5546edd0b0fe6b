"""What perfops keeps: load runs, analyses with their findings, budgets with their verdicts."""

from perfops.models.analyses import Analysis, Finding, Occurrence, Recommendation, StoredSnapshot
from perfops.models.budgets import AlertDelivery, Budget, Evaluation
from perfops.models.capacity import CapacityReview
from perfops.models.decisions import BudgetChange, FindingEvent, Waiver
from perfops.models.noise import AATest
from perfops.models.origins import (
    QueryOrigin,
    QueryPlan,
    QueryTemplate,
    RunRoute,
    RunStatement,
    ScopeTotal,
)
from perfops.models.runs import LoadRun, RouteResult, Sample
from perfops.models.schedules import ScheduleOutcome

__all__ = [
    "AATest",
    "AlertDelivery",
    "Analysis",
    "Budget",
    "BudgetChange",
    "CapacityReview",
    "Evaluation",
    "Finding",
    "FindingEvent",
    "LoadRun",
    "Occurrence",
    "QueryOrigin",
    "QueryPlan",
    "QueryTemplate",
    "Recommendation",
    "RouteResult",
    "RunRoute",
    "RunStatement",
    "Sample",
    "ScheduleOutcome",
    "ScopeTotal",
    "StoredSnapshot",
    "Waiver",
]
