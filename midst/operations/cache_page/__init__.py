"""The operator's page of the cache in the admin, and how to clear the cache."""
