// What a scenario sends: each request is timed from its scheduled start as well.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { intendedStart } from './plan.js';

export const target = (__ENV.TARGET || 'http://127.0.0.1:8000').replace(/\/$/, '');
// W3C Baggage: a server that traces notes in its spans which run a request belongs to.
const baggage = __ENV.BAGGAGE ? { baggage: __ENV.BAGGAGE } : {};
const intended = new Trend('intended_duration', true);
// Answers whose status was as expected, and whose body was not: perfops counts them as errors.
const wrongBodies = new Counter('wrong_bodies');
// A redirect is not what was asked for, unless the route says so: it may lead to a log-in page.
const EXPECTED = [{ min: 200, max: 299 }];
// Each request says that it was sent: of what gets no answer until the end, k6 says nothing.
const sent = new Counter('sent_requests');
const NOTES = ['n', 'at', 'scenario_at', 'took'];

// One iteration is one request. requestOf(n): [name, path] of request number n, or
// [name, path, headers, expected statuses].
export function ask(plan, requestOf) {
  const [name, path, headers, statuses] = requestOf(exec.scenario.iterationInTest);
  send({ name, path, headers, statuses }, dueOf(plan));
}

// One iteration is a session of several requests. session(n, data, ask) calls ask({ method, name,
// path, headers, body, form, statuses, expects }) for each; the first is due when the session is.
export function askInSession(plan, session, data) {
  let due = dueOf(plan);
  session(exec.scenario.iterationInTest, data, (request) => {
    const answer = send(request, due);
    due = null;
    return answer;
  });
}

// k6 starts iteration n when n + 1 arrivals are due. Dropped iterations have no number: perfops
// counts them in, from what is noted with the request.
function dueOf(plan) {
  const n = exec.scenario.iterationInTest;
  return exec.scenario.startTime + intendedStart(plan, n + 1) * 1000;
}

// `expects`: says of the body, as JSON, whether it is what was asked for. Returns { status, json },
// json only where something is expected of it.
function send(request, due) {
  const { method = 'GET', name, path, headers: own, body = null, form, statuses, expects } = request;
  const json = body === null || form ? {} : { 'Content-Type': 'application/json' };
  const headers = { ...json, ...own, ...baggage };
  const expected = http.expectedStatuses(...(statuses && statuses.length ? statuses : EXPECTED));
  const options = {
    headers, tags: { name }, redirects: 0, timeout: '30s', responseCallback: expected,
    responseType: expects ? 'text' : 'none',
  };
  const at = Date.now();
  // k6 writes an object as the fields of a form.
  const text = body === null || form ? body : JSON.stringify(body);
  noteSent(at, due);
  sent.add(1, { name });
  const answer = http.request(method, target + path, text, options);
  const { blocked, connecting, tls_handshaking: handshake, duration } = answer.timings;
  const took = Math.max(blocked + connecting + handshake + duration, duration);
  exec.vu.metrics.metadata.took = `${took}`;
  const cache = answer.headers['X-Cache'] || '';
  intended.add((due === null ? 0 : Math.max(at - due, 0)) + took, { name, cache });
  return { status: answer.status, json: expects ? checked(answer, expects, name) : null };
}

function noteSent(at, due) {
  const { metadata } = exec.vu.metrics;
  NOTES.forEach((each) => delete metadata[each]);
  // Which iteration it is: an answer is that of the request which its iteration sent last.
  metadata.iteration = `${exec.scenario.iterationInTest}`;
  // Between two requests of a session a user thinks: only the first has a place in the schedule.
  if (due === null) return;
  const [n, start] = [exec.scenario.iterationInTest, exec.scenario.startTime];
  Object.assign(metadata, { n: `${n}`, at: `${at}`, scenario_at: `${start}` });
}

function checked(answer, expects, name) {
  let json = null;
  let right = false;
  try {
    json = answer.json();
    right = expects(json);
  } catch (error) {
    // No JSON, or not of the form that was expected.
    json = null;
  }
  if (!right && answer.status >= 200 && answer.status < 300) wrongBodies.add(1, { name });
  return json;
}
