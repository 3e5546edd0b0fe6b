"""Which line of the project sends which statement, on whose behalf, how often and for how long.

``wrapper`` sees every statement and counts it in a ``scope`` (a request, a task, a command);
``ledger`` adds the scopes up; ``flushing`` writes that down now and then; ``identify`` asks
PostgreSQL under which ids its own statistics have the statement.
"""

from perfops.origins.ledger import queryid_of, spilled

__all__ = ["queryid_of", "spilled"]
