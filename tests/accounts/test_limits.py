"""Who asks too often is told so, and how long to wait."""

import pytest

from midst.accounts import throttle
from midst.kernel import backoff, cache, ratelimit, redis
from midst.kernel.ratelimit import Limit
from midst.telemetry import metrics
from midst.telemetry.request_context import client_address
from tests.accounts.conftest import PASSWORD, bearer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
LIST = "/api/v1/profiles"


@pytest.fixture
def redis_away(monkeypatch):
    """Nothing listens there."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    dead = Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(redis, "client", lambda: dead)
    monkeypatch.setattr(ratelimit, "_memory", ratelimit._Memory())
    yield
    dead.close()
    cache.circuit.close()


def decisions(limit, backend, outcome):
    return metrics.RATE_LIMIT_DECISIONS.labels(limit, backend, outcome)._value.get()


def test_a_bucket_empties_and_fills():
    limit = Limit("test", 3, 3600)
    states = [ratelimit.spend(limit, "someone") for _ in range(5)]
    assert [state.allowed for state in states] == [True, True, True, False, False]
    assert [state.remaining for state in states] == [2, 1, 0, 0, 0]
    assert 0 < states[-1].retry_after_s <= 1200
    assert states[-1].reset_s <= 3600
    assert ratelimit.spend(limit, "someone else").allowed
    quick = Limit("quick", 1000, 1)
    assert all(ratelimit.spend(quick, "someone").allowed for _ in range(1000))


def test_without_redis_each_process_limits_by_itself_and_a_metric_says_so(redis_away):
    limit = Limit("test-away", 3, 3600)
    outcomes = [ratelimit.spend(limit, "someone").allowed for _ in range(5)]
    assert outcomes == [True, True, True, False, False]
    assert decisions("test-away", "memory", "allowed") == 3
    assert decisions("test-away", "memory", "refused") == 2


# Making the personal token is the user's own first request.
@pytest.mark.parametrize(("who", "allowed"), [("address", 4), ("user", 3), ("token", 4)])
def test_every_kind_of_client_is_limited(client, sign_in, post, settings, who, allowed):
    settings.RATE_LIMIT_EXEMPT = []
    access = sign_in().json()["access"]
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, who: (who, 4, 3600)}
    token = post("/tokens", {"name": "x", "scopes": ["profiles:read"]}, access).json()["token"]
    headers = bearer({"address": None, "user": access, "token": token}[who])
    answers = [client.get(LIST, headers=headers) for _ in range(6)]
    codes = [answer.status_code for answer in answers]
    assert codes == [200] * allowed + [429] * (6 - allowed)
    last = answers[-1]
    assert last.json()["type"] == "urn:midst:problem:rate-limited"
    assert int(last["Retry-After"]) >= 1
    assert last["RateLimit-Policy"] == f'"{who}";q=4;w=3600'
    assert answers[0]["RateLimit"].startswith(f'"{who}";r=')


def test_who_has_many_tokens_has_one_limit(client, sign_in, post, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "user": ("user", 6, 3600)}
    access = sign_in().json()["access"]
    made = [post("/tokens", {"name": "x", "scopes": ["profiles:read"]}, access) for _ in range(3)]
    tokens = [answer.json()["token"] for answer in made]
    codes = [client.get(LIST, headers=bearer(token)).status_code for token in tokens * 2]
    assert codes.count(200) == 3
    assert codes[3:] == [429] * 3


@pytest.mark.parametrize("guess", ["midst_guess", "a.b.c"])
def test_guessed_tokens_are_refused_before_the_database(
    client, settings, guess, django_assert_num_queries
):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "bad-token": ("bad-token", 2, 3600)}
    codes = [client.get(LIST, headers=bearer(f"{guess}{n}")).status_code for n in range(2)]
    assert codes == [401, 401]
    with django_assert_num_queries(0):
        assert client.get(LIST, headers=bearer(guess)).status_code == 429


def test_a_users_limit_is_counted_before_the_database(
    client, sign_in, settings, django_assert_num_queries
):
    access = sign_in().json()["access"]
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "user": ("user", 1, 3600)}
    assert client.get(LIST, headers=bearer(access)).status_code == 200
    with django_assert_num_queries(0):
        assert client.get(LIST, headers=bearer(access)).status_code == 429


@pytest.mark.parametrize("path", ["/refresh", "/revoke"])
def test_exchanges_are_limited_before_the_database(post, settings, path, django_assert_num_queries):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "exchange": ("exchange", 2, 3600)}
    codes = [post(path, {"refresh": f"unknown-{n}"}).status_code for n in range(2)]
    assert 429 not in codes
    with django_assert_num_queries(0):
        refused = post(path, {"refresh": "unknown"})
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1


def test_guesses_at_an_account_wait_longer_and_longer(sign_in, client):
    answers = [sign_in("ada", "wrong") for _ in range(throttle.LOGIN_BY_ACCOUNT.free)]
    assert {answer.status_code for answer in answers} == {401}
    # Not even the right password, nor another spelling: else one could go on guessing.
    for name in ("ada", "ADA"):
        refused = sign_in(name)
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) >= 1
    page = client.post("/admin/login/", {"username": "ada", "password": "x"})
    assert page.status_code == 429
    assert "too many attempts" in page.content.decode()
    assert sign_in("someone-else", "wrong").status_code == 401


def test_guesses_from_one_address_lock_nobody_out_at_another(client, ada, settings):
    settings.TRUSTED_PROXY_HOPS = 1

    def sign_in(address, password):
        return client.post(
            "/api/v1/auth/token",
            {"username": "ada", "password": password},
            content_type="application/json",
            headers={"X-Forwarded-For": address},
        ).status_code

    tried = [sign_in("203.0.113.1", "wrong") for _ in range(60)]
    assert 429 in tried
    for network in range(60):
        sign_in(f"2001:db8:0:{network:x}::1", "wrong")
    assert sign_in("203.0.113.2", PASSWORD) == 200
    page = client.post(
        "/admin/login/",
        {"username": "ada", "password": PASSWORD},
        headers={"X-Forwarded-For": "203.0.113.3"},
    )
    assert page.status_code != 429


def test_a_success_begins_anew(sign_in):
    for _ in range(3):
        for _ in range(throttle.LOGIN_BY_ACCOUNT.free - 1):
            assert sign_in("ada", "wrong").status_code == 401
        assert sign_in().status_code == 200


def test_successes_do_not_spend_the_address(sign_in):
    for _ in range(throttle.LOGIN_BY_ADDRESS.amount + 5):
        assert sign_in().status_code == 200


def test_attempts_at_many_accounts_are_limited_by_address(sign_in):
    codes = [
        sign_in(f"name-{n}", "wrong").status_code for n in range(throttle.LOGIN_BY_ADDRESS.amount)
    ]
    assert set(codes) == {401}
    assert sign_in().status_code == 429


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(rf, address, client):
    assert throttle.client_of(rf.get("/", REMOTE_ADDR=address)) == client


@pytest.mark.parametrize("away", [False, True])
def test_the_delay_doubles_up_to_its_longest(away, request, monkeypatch):
    if away:
        request.getfixturevalue("redis_away")
        monkeypatch.setattr(backoff, "_memory", backoff._Memory())
    tried = backoff.Backoff("test", free=2, first_s=100, longest_s=300, forget_s=3600)
    assert [tried.wait_s("one"), tried.wait_s("one")] == [0, 0]
    assert 90 <= tried.wait_s("one") <= 100
    assert tried.wait_s("another") == 0
    tried.forget("one")
    assert tried.wait_s("one") == 0


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, "9.9.9.9", "10.0.0.1"),
        (1, "9.9.9.9", "9.9.9.9"),
        (1, "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        (2, "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        (2, "9.9.9.9", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_the_address_is_as_far_back_as_we_trust(rf, settings, hops, forwarded, address):
    settings.TRUSTED_PROXY_HOPS = hops
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": forwarded})
    assert client_address(request.META) == address
