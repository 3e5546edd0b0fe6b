"""Emitted migrations: they apply, reverse, and leave ``makemigrations --check`` clean."""

import json

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from perfops.indexes.declaration import NotDjangos, index_of, model_of, name_of
from perfops.indexes.migration import Project
from perfops.indexes.records import Candidate, Fixed, Key
from tests.perfops.indexes import project


def case(table, *keys, alias="default", **options):
    candidate = Candidate(("public", table), keys, **options)
    return {"alias": alias, "candidate": msgspec.to_builtins(candidate)}


# What is advised, and how PostgreSQL then describes the index.
CASES = {
    "shop": (
        case("shop orders", Key("cust"), Key("order_state", descending=True), include=("id",),
             where=(Fixed("cancelled", "not null"), Fixed("paid", "false"))),
        (
            'ON public."shop orders" USING btree (cust, order_state DESC) INCLUDE (id)'
            " WHERE ((cancelled IS NOT NULL) AND (NOT paid))"
        ),
    ),
    "people": (
        case("people_worker", Key("level"), Key("since")),
        "ON public.people_worker USING btree (level, since)",
    ),
    "archive": (
        case("shop orders", Key("id"), alias="old", where=(Fixed("status", "value", "new's"),)),
        "ON public.\"shop orders\" USING btree (id) WHERE ((status)::text = 'new''s'::text)",
    ),
    "library": (
        case("library_book", Key("data", opclass="jsonb_path_ops"), method="gin"),
        "ON public.library_book USING gin (data jsonb_path_ops)",
    ),
    "notes": (
        case("notes_note", Key("title", function="upper", opclass="gin_trgm_ops"), method="gin"),
        "ON public.notes_note USING gin (upper(title) gin_trgm_ops)",
    ),
}  # fmt: skip


@pytest.fixture
def urls(request, rehearsing):
    """Two databases on the tests' server."""
    settings = request.getfixturevalue("rehearsing").cursor.db.settings_dict
    server = {
        "host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"],
        "password": settings["PASSWORD"],
    }  # fmt: skip
    names = [f"{settings['NAME']}_{which}" for which in ("first", "second")]
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as connection:
        for name in names:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for name in names:
            with psycopg.connect(**server, dbname=name, autocommit=True) as made:
                made.execute("CREATE EXTENSION pg_trgm")
        yield {
            variable: "postgres://{user}:{password}@{host}:{port}/".format(**server) + name
            for variable, name in zip(("FIRST_URL", "SECOND_URL"), names, strict=True)
        }
        for name in names:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


DROP = {"drop": "attic_place", "table": "attic_box", "alias": "default"}


@pytest.mark.slow
def test_changes_of_every_kind_apply_with_their_diff_reverse_and_leave_nothing_to_make(
    tmp_path, urls
):
    project.write(tmp_path)
    cases = json.dumps([*(each for each, _ in CASES.values()), DROP])
    *changes, drop = json.loads(project.run(tmp_path, urls, "advise", cases))
    for app, change in zip(CASES, changes, strict=True):
        assert change.get("app_label") == app, change
        assert change["text"].count("atomic = False") == 1
        assert f"('{app}', '0001_initial')" in change["text"]
        assert change["sql"].startswith("CREATE INDEX CONCURRENTLY ")
        assert len(change["index_name"]) <= 30
        project.apply(tmp_path, change)
    assert "RemoveIndexConcurrently" in drop["text"]
    assert drop["sql"].startswith("DROP INDEX CONCURRENTLY")
    project.apply(tmp_path, drop)
    # It ends with an error where makemigrations --check finds something to make.
    told = json.loads(project.run(tmp_path, urls, "apply", json.dumps([*changes, drop])))
    for (app, (_, definition)), change in zip(CASES.items(), changes, strict=True):
        alias = "old" if app == "archive" else "default"
        made = told["after"][f"{alias} {change['index_name']}"]
        assert made == f"CREATE INDEX {change['index_name']} {definition}"
    assert set(told["before"]) - set(told["after"]) == {"default attic_place"}
    assert len(told["after"]) == len(told["before"]) + len(CASES) - 1
    assert told["reversed"] == told["before"]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (case("library_book_readers", Key("person_id")), "ManyToManyField"),
        (case("nobodys", Key("id")), "no model of this project"),
        (case("people_worker", Key("name")), "has no field for name"),
        (case("auth_user", Key("email")), "installed package"),
        (case("auth_group_permissions", Key("group_id")), "installed package"),
        (case("perfops_analysis", Key("state")), "has no migrations"),
        ({"drop": "auth_x", "table": "people_person", "alias": "default"}, "not in people.Person"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_there_is_no_change_the_reason_is_told(wanted, why, answers):
    assert why in answers[json.dumps(wanted)]


@pytest.fixture(scope="module")
def answers(request):
    """All refusals of one start of the project: case to reason."""
    folder = request.getfixturevalue("tmp_path_factory").mktemp("project")
    project.write(folder)
    mark = next(
        mark
        for mark in test_where_there_is_no_change_the_reason_is_told.pytestmark
        if mark.name == "parametrize"
    )
    cases = [wanted for wanted, _ in mark.args[1]]
    settings = request.getfixturevalue("rehearsing").cursor.db.settings_dict
    url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**settings)
    found = project.run(folder, {"FIRST_URL": url, "SECOND_URL": url}, "refuse", json.dumps(cases))
    return {
        json.dumps(wanted): answer["why"]
        for wanted, answer in zip(cases, json.loads(found), strict=True)
    }


keys = st.builds(Key, st.text(min_size=1, max_size=30), st.booleans())
candidates = st.builds(
    Candidate,
    st.tuples(st.just("public"), st.text(min_size=1, max_size=30)),
    st.lists(keys, min_size=1, max_size=4).map(tuple),
)


@given(candidates)
def test_a_name_is_one_that_django_allows_and_always_the_same(candidate):
    name = name_of(candidate)
    assert len(name) <= 30
    assert name[0].isalpha()
    assert name.isascii()
    assert name == name_of(msgspec.convert(msgspec.to_builtins(candidate), Candidate))


@given(candidates, candidates)
def test_different_indexes_have_different_names(one, other):
    assert (name_of(one) == name_of(other)) == (str(one) == str(other))


def test_an_index_that_its_model_declares_already_is_no_second_edit(monkeypatch):
    """The model is edited, and its migration not applied yet."""
    candidate = Candidate(("public", "profiles_profile"), (Key("location"),))
    model = model_of("profiles_profile", "default")
    declared = [*model._meta.indexes, index_of(candidate, model)]
    assert Project().add(candidate, "default").index_name == declared[-1].name
    monkeypatch.setattr(model._meta, "indexes", declared)
    with pytest.raises(NotDjangos, match=r"profiles.Profile declares it already"):
        Project().add(candidate, "default")
