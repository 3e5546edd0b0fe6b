// Reads and writes through the proxy, for tests.containers.load. Each acknowledged write is a line
// on the console. TARGET, USERNAME, PASSWORD, SECONDS, READS (a second).
import http from 'k6/http';
import { sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';

const API = `${__ENV.TARGET}/api/v1`;
const failed = new Counter('failed');
const refused = new Counter('refused');
const stale = new Counter('stale');
const written = new Counter('written');
const felt = new Trend('felt', true);
const TYPE = { 'Content-Type': 'application/json' };
// A session's access token ends after ten minutes.
const TOKEN_MS = 300000;
let token = '';
let signedInAt = 0;

export const options = {
  insecureSkipTLSVerify: true,
  noVUConnectionReuse: false,
  scenarios: {
    reads: {
      executor: 'constant-arrival-rate',
      exec: 'read',
      rate: Number(__ENV.READS),
      timeUnit: '1s',
      duration: `${__ENV.SECONDS}s`,
      preAllocatedVUs: 40,
      maxVUs: 200,
    },
    writes: { executor: 'constant-vus', exec: 'write', vus: 1, duration: `${__ENV.SECONDS}s` },
  },
};

// Returns whether the answer is as it should be. 503 with Retry-After is counted by itself.
function judged(answer) {
  // k6 itself broke it off, at its end.
  if (answer.error === 'context canceled') return false;
  felt.add(answer.timings.duration);
  if (answer.status >= 200 && answer.status < 300) return true;
  const told = answer.status === 503 && answer.headers['Retry-After'];
  (told ? refused : failed).add(1);
  const what = `${answer.request.method} ${answer.url} ${answer.status} ${answer.error}`;
  console.log(`bad ${Date.now()} ${told ? 'refused' : 'failed'} ${what}`);
  return false;
}

export function read() {
  const limit = 1 + Math.floor(Math.random() * 100);
  const path = ['profiles', 'taxonomy/epochs', 'taxonomy/masks'][Math.floor(Math.random() * 3)];
  judged(http.get(`${API}/${path}?limit=${limit}`, { timeout: '30s' }));
}

function signIn() {
  const who = JSON.stringify({ username: __ENV.USERNAME, password: __ENV.PASSWORD });
  const answer = http.post(`${API}/auth/token`, who, { headers: TYPE });
  if (judged(answer)) {
    token = answer.json('access');
    signedInAt = Date.now();
  }
}

function freshOr(shown, headline) {
  if (shown === headline) return;
  stale.add(1);
  console.log(`stale ${headline} ${shown}`);
}

// A row that must be there at the end, and a headline that the next reads must show: that of the
// profile, and that of a list with it.
export function write() {
  if (Date.now() - signedInAt > TOKEN_MS) signIn();
  const headers = { ...TYPE, Authorization: `Bearer ${token}` };
  const name = `load ${Date.now()}`;
  const row = { role: name, organization: 'Load', starts_on: '2019-04-01' };
  const own = `${API}/profiles/${__ENV.USERNAME}`;
  const answer = http.post(`${own}/experience`, JSON.stringify(row), { headers });
  if (judged(answer)) {
    written.add(1);
    console.log(`acknowledged ${name}`);
  } else {
    // A session that began after the moment to which the database went back is not there.
    if (answer.status === 401) signedInAt = 0;
    // As a client does, not to ask a hundred times a second of what is away.
    sleep(0.5);
  }
  if (judged(http.patch(own, JSON.stringify({ headline: name }), { headers }))) {
    const shown = http.get(own);
    if (judged(shown)) freshOr(shown.json('headline'), name);
    const list = http.get(`${API}/profiles?limit=100`);
    if (judged(list)) {
      const row = list.json('results').find((each) => each.slug === __ENV.USERNAME);
      freshOr(row && row.headline, name);
    }
  }
}
