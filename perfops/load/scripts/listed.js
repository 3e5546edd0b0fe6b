// Routes as perfops lists them: [{ name, share, paths, statuses, method, body, form }], with every
// path written out. `plan.sign_in`: its requests are those of users.
import { SharedArray } from 'k6/data';
import { headersOf, signInAll } from './signing_in.js';

// Evenly spread over a square (the plastic number): which route, and which of its paths.
const ROUTE = 0.7548776662466927;
const PATH = 0.5698402909980532;

export function listed(file, plan) {
  const read = () => JSON.parse(open(file));
  // One copy for all VUs.
  const paths = new SharedArray('paths', () => read().flatMap((route) => route.paths));
  const mix = [...new SharedArray('mix', () => placed(read()))];
  const whole = mix.reduce((sum, route) => sum + route.share, 0);
  const how = plan.sign_in;

  function picked(n) {
    let left = ((n * ROUTE) % 1) * whole;
    const route = mix.find((each) => (left -= each.share) < 0) || mix[0];
    // Popular things are asked for more often: the cube leans towards the front.
    const place = Math.floor(route.count * ((n * PATH) % 1) ** 3);
    return [route, paths[route.first + place]];
  }

  function requestOf(n) {
    const [route, path] = picked(n);
    return [route.name, path, {}, route.statuses];
  }

  function session(n, data, ask) {
    const [{ name, statuses, method, body, form }, path] = picked(n);
    const headers = how ? headersOf(how, data.accounts, ask) : {};
    const sent = method === 'POST' ? marked(body, n) : null;
    ask({ method, name, path, headers, statuses, body: sent, form });
  }

  if (!how && mix.every((route) => route.method !== 'POST')) return { requestOf };
  return { session, findIds: (target) => (how ? { accounts: signInAll(target, how) } : {}) };
}

// What a run wrote is found by this text, and removed.
function marked(body, n) {
  const mark = `${__ENV.MARK}${n}-${Date.now().toString(36)}`;
  return JSON.parse(JSON.stringify(body).split('{mark}').join(mark));
}

function placed(routes) {
  let first = 0;
  return routes.map(({ paths, ...route }) => {
    first += paths.length;
    return { ...route, count: paths.length, first: first - paths.length };
  });
}
