"""Cache hit rates: of the application's cache by its X-Cache header, and of PostgreSQL's."""

from perfops.budgets.metrics.metric import SHARE, BudgetMetric, Reading
from perfops.budgets.prometheus.rule_file import share_of
from perfops.models.budgets import Budget
from perfops.models.runs import LoadRun, RouteResult


class _HitRate(BudgetMetric):
    unit, lower_is_better = SHARE, False
    # Measured for the whole application, whatever route was asked.
    prometheus_has_routes = False
    misses: str
    hits: str

    def prometheus_value(self, budget: Budget) -> str:
        return f"1 - ({self.prometheus_bad_share(budget, '5m')})"

    def prometheus_bad_share(self, budget: Budget, window: str) -> str:
        return share_of(self.misses, [self.misses, self.hits], window)

    def allowance(self, budget: Budget) -> float:
        return round(1 - budget.target, 6)


class CacheHitRate(_HitRate):
    key, title = "cache_hit_rate", "cache hit rate"
    alert = ("CacheHitRateLow", "10m")
    misses, hits = "cache_misses_total", "cache_hits_total"

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        silent = "No answer said whether it came from the cache (X-Cache)."
        return Reading.known(run.summary.get("cache_hit_rate"), silent)

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        cached = result.cache_hits + result.cache_misses
        silent = f"No answer of {result.route} said whether it came from the cache (X-Cache)."
        return Reading.known(result.cache_hits / cached if cached else None, silent)


class DatabaseCacheHitRate(_HitRate):
    key, title = "db_cache_hit_rate", "database cache hit"
    alert = ("DatabaseCacheHitLow", "10m")
    misses, hits = "pg_stat_database_blks_read", "pg_stat_database_blks_hit"

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        unknown = "No database statistics for this run."
        return Reading.known(run.server.get("db_cache_hit_rate"), unknown)

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        return Reading(None, "The database counts for all routes together.")


METRICS = (CacheHitRate(), DatabaseCacheHitRate())
