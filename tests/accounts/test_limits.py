"""Who asks too often is told so, and how long to wait."""

import pytest

from midst.accounts import throttle
from midst.kernel import cache, ratelimit, redis
from midst.kernel.ratelimit import Limit
from midst.telemetry import metrics
from tests.accounts.conftest import bearer

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


@pytest.mark.parametrize("who", ["address", "user", "token"])
def test_every_kind_of_client_is_limited(client, sign_in, post, settings, who):
    settings.RATE_LIMIT_EXEMPT = []
    access = sign_in().json()["access"]
    token = post("/tokens", {"name": "x", "scopes": ["profiles:read"]}, access).json()["token"]
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, who: (who, 4, 3600)}
    headers = bearer({"address": None, "user": access, "token": token}[who])
    answers = [client.get(LIST, headers=headers) for _ in range(6)]
    codes = [answer.status_code for answer in answers]
    # Making the personal token was the user's own first request.
    assert codes == [200] * codes.count(200) + [429] * codes.count(429)
    assert codes.count(200) in {3, 4}
    last = answers[-1]
    assert last.json()["type"] == "urn:midst:problem:rate-limited"
    assert int(last["Retry-After"]) >= 1
    assert last["RateLimit-Policy"] == f'"{who}";q=4;w=3600'
    assert answers[0]["RateLimit"].startswith(f'"{who}";r=')


def test_guessing_tokens_spends_the_address(client, settings):
    settings.RATE_LIMIT_EXEMPT = []
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "address": ("address", 2, 3600)}
    codes = [client.get(LIST, headers=bearer("x")).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


def test_attempts_to_sign_in_are_limited_by_account(sign_in, client):
    answers = [sign_in("ada", "wrong") for _ in range(throttle.LOGIN_BY_ACCOUNT.amount)]
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


def test_attempts_to_sign_in_are_limited_by_address(sign_in):
    codes = [
        sign_in(f"name-{n}", "wrong").status_code for n in range(throttle.LOGIN_BY_ADDRESS.amount)
    ]
    assert set(codes) == {401}
    assert sign_in().status_code == 429


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
    assert throttle.address_of(request) == address
