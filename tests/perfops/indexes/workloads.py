"""Workloads with and without a cure, on one database of realistic shape.

Each is statements with real parameters; ``cured_by`` are the indexes that may be advised, as
patterns of ``str(candidate)``, all of them needed; none where no index helps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TABLES = """
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE customers (
    id int PRIMARY KEY, email text NOT NULL, name varchar(80) NOT NULL, city text NOT NULL,
    country text NOT NULL, created_at timestamptz NOT NULL, is_active boolean NOT NULL
);
INSERT INTO customers SELECT n, 'Person' || n || '@example.com', md5(n::text),
    'city' || n * 7919 % 900, (ARRAY['de','fr','it','es','pl'])[1 + n % 5],
    '2025-01-01'::timestamptz + n * 7919 % 30000 * interval '14 minutes', n % 51 <> 0
    FROM generate_series(1, 30000) n;
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL, shop_id int NOT NULL, status text NOT NULL,
    total numeric(10,2) NOT NULL, created_at timestamptz NOT NULL, cancelled_at timestamptz,
    is_gift boolean NOT NULL, note text NOT NULL
);
INSERT INTO orders SELECT n, 1 + n * 7919 % 4000, 1 + n * 1049 % 40,
    CASE WHEN n % 400 = 0 THEN 'failed' WHEN n % 12 = 0 THEN 'paid' ELSE 'done' END,
    n % 1000 + 0.5, '2025-01-01'::timestamptz + n * 7919 % 40000 * interval '10 minutes',
    CASE WHEN n % 100 = 0 THEN '2026-01-01'::timestamptz + n * interval '1 second' END,
    n % 150 = 0, repeat(md5(n::text), 3)
    FROM generate_series(1, 40000) n;
CREATE INDEX orders_shop ON orders (shop_id, is_gift);
CREATE TABLE items (
    id int PRIMARY KEY, order_id int NOT NULL, product_id int NOT NULL, amount int NOT NULL
);
INSERT INTO items SELECT n, 1 + n * 7919 % 40000, 1 + n % 500, 1 + n % 9
    FROM generate_series(1, 60000) n;
CREATE TABLE articles (
    id int PRIMARY KEY, author_id int NOT NULL, title text NOT NULL, tags text[] NOT NULL,
    body jsonb NOT NULL
);
INSERT INTO articles SELECT n, n % 300,
    left(md5(n::text), 12) || ' ' || left(md5((n + 7)::text), 8),
    ARRAY['tag' || n % 3000, 'tag' || (n * 31) % 2900],
    jsonb_build_object('language', 'l' || n % 9, 'topic', 'topic' || n % 4000,
        'k' || n % 3000, n)
    FROM generate_series(1, 20000) n;
CREATE TABLE settings (id int PRIMARY KEY, code text NOT NULL, value text NOT NULL);
INSERT INTO settings SELECT n, 'code' || n, 'value' FROM generate_series(1, 400) n;
CREATE TABLE events (id bigserial PRIMARY KEY, kind int NOT NULL, at timestamptz NOT NULL);
INSERT INTO events (kind, at) SELECT n % 500, '2025-01-01'::timestamptz + n * interval '1 minute'
    FROM generate_series(1, 15000) n;
"""

Parameters = Callable[[int], list[Any]]


def none(_: int) -> list[Any]:
    return []


@dataclass(frozen=True)
class Workload:
    name: str
    statements: tuple[tuple[str, Parameters], ...]
    cured_by: tuple[str, ...] = ()
    calls: int = 25
    # Statements without a look at their plans: writes that others weigh against.
    writes: tuple[str, ...] = ()
    # Also told in the quick tests.
    is_quick: bool = False


def one(
    name: str, statement: str, parameters: Parameters, *cured_by: str, **options: Any
) -> Workload:
    return Workload(name, ((statement, parameters),), cured_by, **options)


def when(n: int) -> str:
    return f"2025-{1 + n % 9:02d}-{1 + n % 27:02d}"


WORKLOADS = (
    one("equality", "SELECT * FROM orders WHERE customer_id = %s",
        lambda n: [1 + n * 13], r"orders \(customer_id\)$", is_quick=True),
    one("two equalities", "SELECT * FROM customers WHERE country = %s AND city = %s",
        lambda n: ["fr", f"city{n * 5 + 1}"], r"customers \((city(, country)?|country, city)\)$"),
    one("equality and range",
        "SELECT * FROM orders WHERE status = %s AND created_at >= %s AND created_at < %s",
        lambda n: ["paid", when(n) + " 00:00", when(n) + " 23:00"],
        r"orders \((status, )?created_at\)( WHERE status = 'paid')?$"),
    one("narrow range", "SELECT * FROM orders WHERE created_at BETWEEN %s AND %s",
        lambda n: [when(n) + " 00:00", when(n) + " 12:00"], r"orders \(created_at\)$"),
    one("newest first", "SELECT * FROM orders ORDER BY created_at DESC LIMIT 20",
        none, r"orders \(created_at\)$"),
    one("newest of one", "SELECT * FROM orders WHERE customer_id = %s ORDER BY created_at DESC"
        " LIMIT 10", lambda n: [1 + n * 13], r"orders \(customer_id(, created_at)?\)$"),
    one("newest of a large group", "SELECT * FROM orders WHERE shop_id = %s"
        " ORDER BY created_at DESC LIMIT 10", lambda n: [1 + n % 40],
        r"orders \(shop_id, created_at\)$", is_quick=True),
    one("a list of values", "SELECT * FROM orders WHERE customer_id IN (%s, %s, %s)",
        lambda n: [n + 1, n + 900, n + 1700], r"orders \(customer_id\)$"),
    one("an array of values", "SELECT * FROM orders WHERE customer_id = ANY(%s)",
        lambda n: [[n + 1, n + 900]], r"orders \(customer_id\)$"),
    one("what is cancelled", "SELECT * FROM orders WHERE cancelled_at IS NOT NULL"
        " ORDER BY created_at DESC LIMIT 20", none,
        r"orders \(created_at\) WHERE cancelled_at IS NOT NULL$", is_quick=True),
    one("a rare flag", "SELECT * FROM orders WHERE is_gift AND total > %s",
        lambda n: [900 + n], r"orders \(total\) WHERE is_gift$", is_quick=True),
    one("a rare flag that is off", "SELECT * FROM customers WHERE NOT is_active AND country = %s",
        lambda n: ["de"], r"customers \(country\) WHERE NOT is_active$"),
    one("a rare value", "SELECT * FROM orders WHERE status = %s ORDER BY created_at",
        lambda n: ["failed"], r"orders \((status|status, created_at|created_at)\)"
        r"( WHERE status = 'failed')?$", is_quick=True),
    one("covering", "SELECT customer_id, total FROM orders WHERE customer_id BETWEEN %s AND %s",
        lambda n: [n * 20, n * 20 + 1000], r"orders \(customer_id\) INCLUDE \(total\)$",
        is_quick=True),
    one("counting", "SELECT count(*) FROM orders WHERE customer_id = %s",
        lambda n: [1 + n * 13], r"orders \(customer_id\)$"),
    one("the last one", "SELECT max(created_at) FROM orders WHERE customer_id = %s",
        lambda n: [1 + n * 13], r"orders \(customer_id(, created_at)?\)"),
    one("the last of all", "SELECT max(created_at) FROM orders", none, r"orders \(created_at\)$"),
    one("what hangs on a row", "SELECT i.* FROM orders o JOIN items i ON i.order_id = o.id"
        " WHERE o.id = %s", lambda n: [1 + n * 31], r"items \(order_id\)$", is_quick=True),
    one("two tables lack one each", "SELECT o.* FROM customers c JOIN orders o"
        " ON o.customer_id = c.id WHERE c.email = %s", lambda n: [f"Person{n + 1}@example.com"],
        r"customers \(email(, id)?\)$", r"orders \(customer_id\)$", is_quick=True),
    one("a subquery", "SELECT * FROM customers c WHERE c.city = %s AND EXISTS"
        " (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = %s)",
        lambda n: [f"city{n * 5 + 1}", "paid"], r"customers \(city\)$|orders \(customer_id.*\)"),
    one("tags that hold", "SELECT * FROM articles WHERE tags @> %s::text[]",
        lambda n: [[f"tag{n + 1}"]], r"articles gin \(tags\)$", is_quick=True),
    one("tags in common", "SELECT * FROM articles WHERE tags && %s::text[]",
        lambda n: [[f"tag{n + 1}", f"tag{n + 400}"]], r"articles gin \(tags\)$"),
    one("a document that holds", "SELECT * FROM articles WHERE body @> %s::jsonb",
        lambda n: [f'{{"topic": "topic{n + 1}"}}'], r"articles gin \(body\)$", is_quick=True),
    one("a document with a key", "SELECT * FROM articles WHERE body ? %s",
        lambda n: [f"k{n + 1}"], r"articles gin \(body\)$"),
    one("a part of a word", "SELECT * FROM articles WHERE title LIKE %s",
        lambda n: [f"%{n + 10}cd{n}%"], r"articles gin \(title\)$", is_quick=True),
    one("a part in any case", "SELECT * FROM articles WHERE UPPER(title::text) LIKE UPPER(%s)",
        lambda n: [f"%Ab{n + 10}c%"], r"articles gin \(upper\(title\)\)$"),
    one("a part by ILIKE", "SELECT * FROM articles WHERE title ILIKE %s",
        lambda n: [f"%Ab{n + 10}c%"], r"articles gin \(title\)$"),
    one("equal in any case", "SELECT * FROM customers WHERE UPPER(email::text) = UPPER(%s)",
        lambda n: [f"person{n + 1}@example.com"], r"customers \(upper\(email\)\)$",
        is_quick=True),
    one("an update that searches", "UPDATE orders SET note = %s WHERE customer_id = %s",
        lambda n: ["x", 1 + n * 13], r"orders \(customer_id\)$"),
    one("a delete that searches", "DELETE FROM items WHERE order_id = %s AND amount > 100",
        lambda n: [1 + n * 13], r"items \(order_id\)$"),
    Workload("one index for three", (
        ("SELECT * FROM orders WHERE customer_id = %s", lambda n: [1 + n * 13]),
        ("SELECT * FROM orders WHERE customer_id = %s AND status = %s",
            lambda n: [1 + n * 17, "paid"]),
        ("SELECT * FROM orders WHERE customer_id = %s ORDER BY created_at DESC LIMIT 3",
            lambda n: [1 + n * 19]),
    ), (r"orders \(customer_id(, \w+)?\)$",), is_quick=True),
    one("the next page", "SELECT * FROM orders WHERE created_at < %s"
        " ORDER BY created_at DESC LIMIT 20", lambda n: [when(n)], r"orders \(created_at\)$"),
    one("both directions", "SELECT * FROM customers ORDER BY country, created_at DESC LIMIT 20",
        none, r"customers \(country, created_at DESC\)$", is_quick=True),
    one("a queue", "SELECT id FROM orders WHERE status = %s ORDER BY created_at LIMIT 1"
        " FOR UPDATE SKIP LOCKED", lambda n: ["failed"],
        r"orders \((status, created_at|status|created_at)\)"),
    one("a join read whole", "SELECT count(*) FROM orders o JOIN customers c"
        " ON c.id = o.customer_id WHERE o.total > 990 OR c.country = 'de'", none,
        r"orders \(customer_id\) INCLUDE \(total\)$", calls=12),
    # No index helps, or none is worth it.
    one("by its key", "SELECT * FROM orders WHERE id = %s", lambda n: [n + 1], is_quick=True),
    one("the first column of an index", "SELECT * FROM orders WHERE shop_id = %s AND is_gift",
        lambda n: [1 + n % 40], is_quick=True),
    one("too small", "SELECT * FROM settings WHERE code = %s", lambda n: [f"code{n}"],
        is_quick=True),
    one("a sum of everything", "SELECT sum(total) + avg(length(note)) FROM orders", none),
    one("most of the table", "SELECT * FROM orders WHERE status = %s", lambda n: ["done"],
        calls=12, is_quick=True),
    one("what is not", "SELECT count(*) FROM orders WHERE status <> %s", lambda n: ["failed"]),
    # What was written is gone when it is read: reads of a larger table would save as much more as
    # its writes cost, whatever their number, and noise would decide.
    one("too many writes", "SELECT * FROM events WHERE kind = %s", lambda n: [n],
        calls=12, is_quick=True, writes=(
            "INSERT INTO events (kind, at) SELECT n %% 500, now() FROM generate_series(1, 99999) n",
            "DELETE FROM events WHERE id > 15000",
            "VACUUM events",
        )),
    one("hardly ever asked", "SELECT * FROM orders WHERE customer_id = %s", lambda n: [n + 1],
        calls=3),
    one("a function around it", "SELECT * FROM orders WHERE date_trunc('day', created_at) = %s",
        lambda n: [when(n)]),
    one("inside a document", "SELECT * FROM articles WHERE body ->> 'topic' = %s",
        lambda n: [f"topic{n}"]),
    one("the first rows", "SELECT * FROM orders LIMIT 10", none),
)  # fmt: skip
