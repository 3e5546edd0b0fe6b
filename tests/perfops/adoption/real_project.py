"""A program: one public project, first as it is, then with perfops. Prints what it saw, as JSON.

``real_project.py {oscar,wagtail,drf} {before,after}``: the first migrates an empty database and
fills it, the second adopts perfops and looks at what it says of the project's own pages. It runs in
an environment that has neither Midst nor its tests; DATABASE_URL names the database.
"""

import contextlib
import json
import os
import sys
from collections import Counter, defaultdict
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

KIND, STAGE = sys.argv[1:]
HERE = Path(__file__).parent
ROWS, TIMES = 30_000, 6

CONTRIB = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.messages", "django.contrib.sessions", "django.contrib.staticfiles",
]  # fmt: skip
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
OSCAR = [
    "oscar.config.Shop", "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig", "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig", "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig", "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig", "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig", "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig", "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig", "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig", "django.contrib.sites",
    "django.contrib.flatpages", "widget_tweaks", "haystack", "treebeard", "django_tables2",
]  # fmt: skip
WAGTAIL = [
    "wagtail.contrib.redirects", "wagtail.embeds", "wagtail.sites", "wagtail.users",
    "wagtail.snippets", "wagtail.documents", "wagtail.images", "wagtail.search", "wagtail.admin",
    "wagtail", "modelcluster", "taggit",
]  # fmt: skip
APPS = {"oscar": OSCAR, "wagtail": WAGTAIL, "drf": ["rest_framework"]}
# Pages of the project itself; each is asked for ``TIMES`` times.
PAGES = {
    "oscar": [
        "/catalogue/", "/dashboard/catalogue/", "/dashboard/orders/", "/dashboard/partners/",
        "/admin/partner/stockrecord/", "/admin/order/line/", "/admin/catalogue/product/",
    ],
    "wagtail": ["/cms/", "/cms/pages/", "/cms/pages/2/", "/cms/users/"],
    "drf": ["/api/things/", "/api/people/", "/admin/real_app/thing/"],
}  # fmt: skip


def configure() -> None:
    url = urlsplit(os.environ["DATABASE_URL"])
    extra: dict[str, object] = {}
    if KIND == "oscar":
        from oscar import defaults

        extra = {name: getattr(defaults, name) for name in dir(defaults) if name.isupper()}
        extra["HAYSTACK_CONNECTIONS"] = {
            "default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}
        }
        extra["AUTHENTICATION_BACKENDS"] = ["django.contrib.auth.backends.ModelBackend"]
    apps = [*CONTRIB, "django.contrib.postgres", *APPS[KIND], "real_app"]
    middleware = [*MIDDLEWARE]
    if KIND == "oscar":
        middleware.append("oscar.apps.basket.middleware.BasketMiddleware")
    if STAGE == "after":
        apps.append("perfops")
        middleware.insert(0, "perfops.origins.middleware.origin_middleware")
    settings.configure(
        **extra,
        SECRET_KEY="of a test",
        BASE_DIR=HERE / "real_app",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=apps,
        MIDDLEWARE=middleware,
        ROOT_URLCONF="real_app.urls",
        SITE_ID=1,
        KIND=KIND,
        WAGTAIL_SITE_NAME="x",
        WAGTAILADMIN_BASE_URL="http://localhost",
        STATIC_URL="static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SILENCED_SYSTEM_CHECKS=["security.W001"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": PROCESSORS},
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "HOST": url.hostname, "PORT": url.port,
                "USER": url.username, "PASSWORD": unquote(url.password or ""),
                "NAME": url.path.strip("/"), "TEST": {"MIGRATE": False},
            }
        },
        PERFOPS={"REHEARSE_ON": {"default": "default"}, "INDEX_MIN_CALLS": TIMES},
    )  # fmt: skip


def fill() -> None:
    from django.contrib.auth import get_user_model
    from real_app.models import Person, Thing

    user = get_user_model().objects.create_superuser("chief", "c@example.com", "x")
    people = Person.objects.bulk_create(Person(name=f"Person {n}") for n in range(40))
    Thing.objects.bulk_create(
        [Thing(owner=people[n % 40], code=f"code-{n}") for n in range(ROWS)], batch_size=5_000
    )
    if KIND == "oscar":
        from oscar.test.factories import create_order, create_product

        for n in range(20):
            create_product(title=f"Product {n}", price=10, num_in_stock=50)
        for n in range(12):
            create_order(number=f"{n}", user=user)
    if KIND == "wagtail":
        from wagtail.models import Page

        root = Page.objects.get(depth=2)
        for n in range(30):
            root.add_child(instance=Page(title=f"Page {n}", slug=f"p{n}", owner=user))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        # Filling is no usage: an index is weighed by what it costs the writes that were counted.
        cursor.execute("SELECT pg_stat_reset()")


def visit(pages: list[str]) -> dict[str, list[object]]:
    """Return of each page its status, and the most calls of one statement in a request of it."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(
        get_user_model().objects.get(username="chief"), "django.contrib.auth.backends.ModelBackend"
    )
    seen: dict[str, list[object]] = {}
    for page in pages:
        for _ in range(TIMES):
            sent: Counter[str] = Counter()

            def count(execute, sql, params, many, context, sent=sent):
                sent[str(sql)] += 1
                return execute(sql, params, many, context)

            with connection.execute_wrapper(count):
                answer = client.get(page)
        most = max((calls for sql, calls in sent.items() if sql.startswith("SELECT")), default=0)
        match = answer.resolver_match
        seen[page] = [answer.status_code, most, sum(sent.values()), match.route if match else ""]
    return seen


def plan() -> dict[str, object]:
    """Return how many blocks the planted look-up reads, and its time in ms."""
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
            " SELECT * FROM real_app_thing WHERE code = 'code-777'"
        )
        (found,) = cursor.fetchone()
    top = found[0]
    return {
        "blocks": top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"],
        "ms": top["Execution Time"],
    }


def checked() -> dict[str, str]:
    """Return what ``check`` and ``makemigrations --check`` say."""
    from django.core.checks import run_checks

    told = [str(each.id) for each in run_checks() if "perfops" not in str(each.id)]
    # A project's own gaps on a newer Django are its own: the same with perfops and without it.
    out = StringIO()
    with contextlib.suppress(SystemExit):
        call_command("makemigrations", check=True, dry_run=True, stdout=out, stderr=out)
    return {"check": " ".join(sorted(told)), "migrations missing": out.getvalue()}


def tested() -> dict[str, int]:
    """Run the tests of ``real_app`` with Django's runner, over the project's own pages."""
    from django.test.utils import get_runner

    runner = get_runner(settings)(verbosity=0, interactive=False)
    failures = runner.run_tests(["real_app"])
    return {"test failures": failures}


def analysed() -> dict[str, list[dict[str, str]]]:
    from perfops.analysis import services
    from perfops.origins import flushing

    flushing.flush()
    report = services.analyse(database="default")
    found = defaultdict(list)
    for issue in report.issues:
        found[issue.advisor].append({"title": issue.title, "statement": issue.statement})
    return dict(found)


def main() -> None:
    sys.path.insert(0, str(HERE))
    configure()
    django.setup()
    out: dict[str, object] = {"django": django.get_version()}
    if STAGE == "before":
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        fill()
        out |= checked()
        out["pages"] = visit([*PAGES[KIND], "/list/", "/find/code-777/"])
        out |= tested()
    else:
        call_command("migrate", verbosity=0)
        out |= checked()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_statements_reset()")
        out["pages"] = visit([*PAGES[KIND], "/list/", "/find/code-777/"])
        visit(["/find/code-777/"] * 5)
        out["found"] = found = analysed()
        out["plan before"] = plan()
        with connection.cursor() as cursor:
            for issue in found.get("missing_index", []):
                cursor.execute(issue["statement"])
        out["plan after"] = plan()
        out |= tested()
        call_command("flush", verbosity=0, interactive=False)
        out["rows after flush"] = sum(_rows())
    json.dump(out, sys.stdout)


def _rows() -> list[int]:
    from real_app.models import Person, Thing

    return [Person.objects.count(), Thing.objects.count()]


if __name__ == "__main__":
    main()
