"""What perfops keeps: load runs, analyses with their findings, budgets with their verdicts."""

from perfops.models.advice import IndexAdvice
from perfops.models.analyses import Analysis, Finding, Sighting, StoredSnapshot
from perfops.models.budgets import Budget, Evaluation
from perfops.models.origins import QueryOrigin, QueryPlan, QueryTemplate
from perfops.models.runs import LoadRun, RouteResult, Sample

__all__ = [
    "Analysis",
    "Budget",
    "Evaluation",
    "Finding",
    "IndexAdvice",
    "LoadRun",
    "QueryOrigin",
    "QueryPlan",
    "QueryTemplate",
    "RouteResult",
    "Sample",
    "Sighting",
    "StoredSnapshot",
]
