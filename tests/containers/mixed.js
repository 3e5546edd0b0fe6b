// Reads and writes through the proxy, for tests.containers.load. Each acknowledged write is a line
// on the console. TARGET, HOSTS, USERNAME, PASSWORD, SECONDS, READS (a second). TARGET: the addresses of
// the site, as a name has them; HOSTS: what to connect to instead, as k6's option has it (JSON).
import http from 'k6/http';
import { sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';

const TARGETS = __ENV.TARGET.split(' ');
const failed = new Counter('failed');
const refused = new Counter('refused');
const stale = new Counter('stale');
const written = new Counter('written');
const sentAgain = new Counter('sent_again');
const readAgain = new Counter('read_again');
const replayed = new Counter('replayed');
const felt = new Trend('felt', true);
const TYPE = { 'Content-Type': 'application/json' };
// A session's access token ends after ten minutes.
const TOKEN_MS = 300000;
// Where this user sends to: its own share of the addresses, and the next one after a failure.
let address = __VU;
let token = '';
let signedInAt = 0;

export const options = {
  insecureSkipTLSVerify: true,
  hosts: JSON.parse(__ENV.HOSTS || '{}'),
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

// What got no answer: the connection was cut or refused, or nobody stood behind the proxy. A write
// that is under way still will have one.
function isUnanswered(answer) {
  if (answer.status === 0) return answer.error !== 'context canceled';
  if (answer.status === 409) return answer.json('type') === 'urn:midst:problem:key-in-use';
  return answer.status === 502 || answer.status === 504;
}

// Sends a request for fifteen seconds, and again what got no answer: a write up to five times within
// half a minute, by its key (a sign-in has none, a second session does no harm), a read once; to the
// site's next address, as browsers do. Go's transport, which k6 stands on, does so once by itself where
// a connection that was open already is lost: not counted.
function send(method, path, body, given) {
  const isRead = method === 'GET';
  const key = isRead ? {} : { 'Idempotency-Key': crypto.randomUUID() };
  const options = { timeout: '15s', headers: { ...(given || {}), ...key } };
  const began = Date.now();
  for (let tries = 1; ; tries += 1) {
    const target = TARGETS[address % TARGETS.length];
    const answer = http.request(method, `${target}/api/v1${path}`, body, options);
    if (!isUnanswered(answer) || tries > (isRead ? 1 : 5) || Date.now() - began > 30000) {
      felt.add(tries > 1 ? Date.now() - began : answer.timings.duration);
      if (answer.headers['Idempotency-Replayed']) replayed.add(1);
      return answer;
    }
    address += 1;
    (isRead ? readAgain : sentAgain).add(1);
    console.log(`again ${Date.now()} ${method} ${answer.url} ${answer.status} ${answer.error}`);
    sleep(0.125 * 2 ** tries);
  }
}

// Returns whether the answer is as it should be. 503 with Retry-After is counted by itself.
function judged(answer) {
  // k6 itself broke it off, at its end.
  if (answer.error === 'context canceled') return false;
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
  judged(send('GET', `/${path}?limit=${limit}`, null));
}

function signIn() {
  const who = JSON.stringify({ username: __ENV.USERNAME, password: __ENV.PASSWORD });
  const answer = send('POST', '/auth/token', who, TYPE);
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
  const own = `/profiles/${__ENV.USERNAME}`;
  const answer = send('POST', `${own}/experience`, JSON.stringify(row), headers);
  if (judged(answer)) {
    written.add(1);
    console.log(`acknowledged ${name}`);
  } else {
    // A session that began after the moment to which the database went back is not there.
    if (answer.status === 401) signedInAt = 0;
    // As a client does, not to ask a hundred times a second of what is away.
    sleep(0.5);
  }
  if (judged(send('PATCH', own, JSON.stringify({ headline: name }), headers))) {
    const shown = send('GET', own, null);
    if (judged(shown)) freshOr(shown.json('headline'), name);
    const list = send('GET', '/profiles?limit=100', null);
    if (judged(list)) {
      const row = list.json('results').find((each) => each.slug === __ENV.USERNAME);
      freshOr(row && row.headline, name);
    }
  }
}
