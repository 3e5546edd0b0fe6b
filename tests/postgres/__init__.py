"""The project's database backend for tests: the migrations' rows come back quickly."""
