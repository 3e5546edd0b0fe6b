// Logged-in users who read and write: one iteration is the session of one user, ten requests with
// time to think between them. PEOPLE: { names, password }, accounts that the run may use.
import http from 'k6/http';
import exec from 'k6/execution';
import { fail, sleep } from 'k6';

const API = '/api/v1';
const JSON_BODY = { headers: { 'Content-Type': 'application/json' }, responseType: 'text' };
// A client exchanges its token when the last tenth of its time begins.
const OF_ITS_TIME = 0.9;
// One session in so many begins with an exchange, as that of a client that was away for a while.
const COMES_BACK = 20;
// One session in so many writes, and one of those writes an application.
const WRITES = 3;
const APPLIES = 9;
const AT_ONCE = 4;

const people = JSON.parse(__ENV.PEOPLE || '{"names": []}');

// A sign-in for each account: VUs share them, for a password takes the server long to check.
export function findIds(target) {
  if (people.names.length === 0) {
    fail('nobody can sign in: PEOPLE names no accounts (PERFOPS["AROUND_RUN"] makes some)');
  }
  const tokens = [];
  while (tokens.length < people.names.length) {
    const some = people.names.slice(tokens.length, tokens.length + AT_ONCE);
    const answers = http.batch(some.map((name) => signIn(target, name)));
    answers.forEach((answer) => tokens.push(tokensOf(answer)));
  }
  const read = (path) => JSON.parse(http.get(target + path, { responseType: 'text' }).body).results;
  return {
    tokens,
    profiles: read(`${API}/profiles?limit=100`).map((each) => each.id),
    postings: read(`${API}/postings?limit=100`).map((each) => each.id),
  };
}

function signIn(target, username) {
  const body = JSON.stringify({ username, password: people.password });
  return ['POST', `${target}${API}/auth/token`, body, JSON_BODY];
}

function tokensOf(answer) {
  if (answer.status !== 200) fail(`signing in answered ${answer.status} ${answer.body}`);
  const { access, refresh, access_expires_in: lifetime } = JSON.parse(answer.body);
  return { access, refresh, until: Date.now() + lifetime * 1000 * OF_ITS_TIME };
}

// The tokens of this VU's account, once it has taken them.
let tokens = null;

export function session(n, data, ask) {
  const accounts = data.tokens.length;
  const account = (exec.vu.idInTest - 1) % accounts;
  tokens = tokens || { ...data.tokens[account] };
  const own = (request) => {
    const headers = { Authorization: `Bearer ${tokens.access}` };
    return ask({ headers, ...request });
  };
  // A refresh token can be used once: by the first VU of its account.
  const mayRefresh = exec.vu.idInTest <= accounts || tokens.isOwn;
  const isOver = Date.now() > tokens.until;
  if (mayRefresh && (isOver || n % COMES_BACK === 0)) {
    take(ask, `${API}/auth/refresh`, { refresh: tokens.refresh });
  } else if (isOver) {
    take(ask, `${API}/auth/token`, { username: people.names[account], password: people.password });
  } else own({ name: `${API}/profiles/me`, path: `${API}/profiles/me`, expects: isList });
  think(n, 0);
  own({ name: `${API}/profiles`, path: `${API}/profiles?limit=20`, expects: isList });
  think(n, 1);
  if (n % WRITES === 0) write(n, data, own);
  else read(n, data, own);
}

// Take new tokens, for this VU alone.
function take(ask, path, body) {
  const { json } = ask({ method: 'POST', name: path, path, body, expects: (found) => found.access });
  if (json === null) return;
  const until = Date.now() + json.access_expires_in * 1000 * OF_ITS_TIME;
  tokens = { access: json.access, refresh: json.refresh, until, isOwn: true };
}

function read(n, data, own) {
  const profiles = `${API}/profiles`;
  for (let turn = 0; turn < 3; turn += 1) {
    const id = pick(data.profiles, n + turn);
    const path = `${profiles}/${id}`;
    own({ name: `${profiles}/{id}`, path, expects: (found) => found.id === id });
    think(n, turn);
    const entries = `${path}/experience`;
    own({ name: `${profiles}/{profile}/experience`, path: entries, expects: isList });
    think(n, turn + 1);
  }
  const found = `${profiles}?q=data&limit=20`;
  own({ name: `${profiles}?q`, path: found, expects: isList });
  think(n, 2);
  own({ name: `${API}/postings`, path: `${API}/postings`, expects: isList });
}

function write(n, data, own) {
  const profiles = `${API}/profiles`;
  const slug = `load-${exec.vu.idInTest}-${n}-${Date.now().toString(36)}`;
  const body = { slug, display_name: `Load ${n}`, title: 'Tester', visibility: 'private' };
  const same = (wanted) => (found) =>
    Object.keys(wanted).every((key) => found[key] === wanted[key]);
  own({ method: 'POST', name: profiles, path: profiles, body, expects: same(body) });
  think(n, 2);
  const profile = `${profiles}/${slug}`;
  const change = { headline: `Changed by session ${n}` };
  own({ method: 'PATCH', name: `${profiles}/{id}`, path: profile, body: change, expects: same(change) });
  think(n, 3);
  const name = `${profiles}/{profile}/awards`;
  const award = { title: 'Medal of honour', issuer: 'The Society' };
  const made = own({ method: 'POST', name, path: `${profile}/awards`, body: award, expects: same(award) });
  think(n, 4);
  const path = `${profile}/awards/${made.json ? made.json.id : slug}`;
  const issuer = { issuer: 'The Academy' };
  own({ method: 'PATCH', name: `${name}/{id}`, path, body: issuer, expects: same(issuer) });
  think(n, 5);
  apply(n, data, own, profile);
  think(n, 6);
  own({ name: `${profiles}/{id}`, path: profile, expects: same({ slug, ...change }) });
  think(n, 7);
  own({ name, path: `${profile}/awards`, expects: (found) => found.results.length === 1 });
  think(n, 8);
  own({ method: 'DELETE', name: `${profiles}/{id}`, path: profile, statuses: [204] });
}

function apply(n, data, own, profile) {
  const name = `${API}/profiles/{profile}/applications`;
  const path = `${profile}/applications`;
  if (data.postings.length === 0 || n % APPLIES !== 0) {
    own({ name, path, expects: isList });
    return;
  }
  const body = { posting: pick(data.postings, n), cover_letter: 'Dear all', status: 'submitted' };
  // Plans allow a few a month: to say so is as expected.
  const statuses = [201, 403];
  own({ method: 'POST', name, path, body, statuses, expects: (made) => made.posting === body.posting });
}

function isList(found) {
  return Array.isArray(found.results);
}

// Between half a second and one and a half, the same for the same session and step.
function think(n, step) {
  sleep(0.5 + fraction(n * 13 + step));
}

function pick(list, n) {
  return list[Math.floor(list.length * fraction(n) ** 3)];
}

function fraction(n) {
  return (n * 0.6180339887498949) % 1;
}
