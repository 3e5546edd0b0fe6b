// Users who sign in: each account once before the load, and again when its token is over.
import encoding from 'k6/encoding';
import exec from 'k6/execution';
import http from 'k6/http';
import { fail } from 'k6';

const people = JSON.parse(__ENV.PEOPLE || '{"names": []}');
const JSON_BODY = { headers: { 'Content-Type': 'application/json' }, responseType: 'text' };
// A client exchanges its token when the last tenth of its time begins.
const OF_ITS_TIME = 0.9;
// A token that does not say how long it is valid (s).
const USUAL_S = 300;
const AT_ONCE = 4;

// `how`: the plan's sign_in.
export function signInAll(target, how) {
  if (people.names.length === 0) fail('nobody can sign in: PEOPLE names no accounts');
  if (how.is_form) return people.names.map((name) => byForm(target, how, name));
  const found = [];
  while (found.length < people.names.length) {
    const some = people.names.slice(found.length, found.length + AT_ONCE);
    const asked = some.map((name) => ['POST', target + how.path, JSON.stringify(words(how, name)), JSON_BODY]);
    http.batch(asked).forEach((answer) => {
      const tokens = answer.status < 300 ? tokensOf(answer.json()) : null;
      if (!tokens) fail(`signing in at ${how.path} answered ${answer.status} ${answer.body}`);
      found.push(tokens);
    });
  }
  return found;
}

function words(how, name) {
  return { [how.username]: name, password: people.password };
}

function tokensOf(said) {
  if (!said) return null;
  const access = said.access || said.access_token || said.token || said.key;
  if (!access) return null;
  const lifetime = said.access_expires_in || said.expires_in || lifetimeOf(access) || USUAL_S;
  const isBearer = said.access || said.access_token || access.split('.').length === 3;
  return {
    headers: { Authorization: `${isBearer ? 'Bearer' : 'Token'} ${access}` },
    refresh: said.refresh || said.refresh_token || '',
    // Django REST framework's own tokens end never.
    until: isBearer ? Date.now() + lifetime * 1000 * OF_ITS_TIME : Number.MAX_SAFE_INTEGER,
  };
}

function lifetimeOf(token) {
  try {
    const claims = JSON.parse(encoding.b64decode(token.split('.')[1], 'rawurl', 's'));
    return claims.exp - Date.now() / 1000;
  } catch (error) {
    return 0; // It is no JWT.
  }
}

function byForm(target, how, name) {
  const jar = new http.CookieJar();
  const options = { jar, responseType: 'text', redirects: 0 };
  const page = http.get(target + how.path, options);
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(page.body || '');
  const fields = { username: name, password: people.password, csrfmiddlewaretoken: token ? token[1] : '' };
  const headers = { Referer: target + how.path };
  const answer = http.post(target + how.path, fields, { ...options, headers });
  if (answer.status !== 302) fail(`signing in at ${how.path} answered ${answer.status}`);
  const cookies = Object.entries(jar.cookiesForURL(target + how.path));
  const csrf = cookies.find(([cookie]) => cookie.toLowerCase().includes('csrf'));
  return {
    headers: {
      Cookie: cookies.map(([cookie, values]) => `${cookie}=${values[0]}`).join('; '),
      'X-CSRFToken': csrf ? csrf[1][0] : '',
      Referer: target + how.path,
    },
    until: Number.MAX_SAFE_INTEGER,
  };
}

// The account of this VU, once it has taken it.
let own = null;

// The headers of this VU's user; a token that is over is exchanged first, by a request of its own.
export function headersOf(how, accounts, ask) {
  const number = (exec.vu.idInTest - 1) % accounts.length;
  own = own || { ...accounts[number], mayRefresh: exec.vu.idInTest <= accounts.length };
  if (Date.now() < own.until) return own.headers;
  // A refresh token may be used once: by the first VU of its account; others sign in again.
  const refreshes = own.mayRefresh && own.refresh && how.refresh;
  const path = refreshes ? how.refresh : how.path;
  const body = refreshes ? { refresh: own.refresh } : words(how, people.names[number]);
  let found = null;
  ask({ method: 'POST', name: path, path, body, expects: (said) => (found = tokensOf(said)) !== null });
  if (found) own = { ...found, refresh: found.refresh || own.refresh, mayRefresh: true };
  return own.headers;
}
