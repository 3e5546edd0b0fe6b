// One iteration is one request; it is timed from its scheduled start as well.
import http from 'k6/http';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { intendedStart } from './plan.js';

export const target = (__ENV.TARGET || 'http://127.0.0.1:8000').replace(/\/$/, '');
// W3C Baggage: a server that traces notes in its spans which run a request belongs to.
const baggage = __ENV.BAGGAGE ? { baggage: __ENV.BAGGAGE } : {};
const intended = new Trend('intended_duration', true);
// A redirect is not what was asked for, unless the route says so: it may lead to a log-in page.
const EXPECTED = [{ min: 200, max: 299 }];

// requestOf(n): [name, path] of request number n, or [name, path, headers, expected statuses].
export function ask(plan, requestOf) {
  const n = exec.scenario.iterationInTest;
  const [name, path, own, statuses] = requestOf(n);
  const headers = { ...own, ...baggage };
  const tags = { name };
  const responseCallback = http.expectedStatuses(...(statuses && statuses.length ? statuses : EXPECTED));
  const at = Date.now();
  const options = { headers, tags, redirects: 0, timeout: '30s', responseCallback };
  const answer = http.get(target + path, options);
  const { blocked, connecting, tls_handshaking: handshake, duration } = answer.timings;
  const took = Math.max(blocked + connecting + handshake + duration, duration);
  // k6 starts iteration n when n + 1 arrivals are due. Dropped iterations have no number: perfops
  // counts them in, from what is noted here.
  const due = exec.scenario.startTime + intendedStart(plan, n + 1) * 1000;
  Object.assign(exec.vu.metrics.metadata, {
    n: `${n}`, at: `${at}`, scenario_at: `${exec.scenario.startTime}`, took: `${took}`,
  });
  const cache = answer.headers['X-Cache'] || '';
  intended.add(Math.max(at - due, 0) + took, { name, cache });
}
