// One iteration is one request; it is timed from the moment it should have started as well.
import http from 'k6/http';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { intendedStart } from './plan.js';

export const target = (__ENV.TARGET || 'http://127.0.0.1:8000').replace(/\/$/, '');
// W3C Baggage: a server that traces notes in its spans which run a request belongs to.
const baggage = __ENV.BAGGAGE ? { baggage: __ENV.BAGGAGE } : {};
const intended = new Trend('intended_duration', true);

// requestOf(n): [name, path] of request number n, or [name, path, headers].
export function ask(plan, requestOf) {
  const n = exec.scenario.iterationInTest;
  const [name, path, own] = requestOf(n);
  const headers = { ...own, ...baggage };
  const tags = { name };
  const answer = http.get(target + path, { headers, tags, redirects: 0, timeout: '30s' });
  // k6 starts iteration n when n + 1 arrivals are due, not n.
  const due = exec.scenario.startTime + intendedStart(plan, n + 1) * 1000;
  const cache = answer.headers['X-Cache'] || '';
  intended.add(Math.max(Date.now() - due, answer.timings.duration), { name, cache });
}
