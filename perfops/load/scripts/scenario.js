// Any scenario: PLAN says how much is asked for, ROUTES what. perfops hands both over; by hand:
// k6 run -e TARGET=http://127.0.0.1:8000 -e PLAN="$(jq -c .smoke load/scenarios.json)" \
//   -e ROUTES="$PWD/load/routes.js" scenario.js
import { listed } from './listed.js';
import { optionsOf } from './plan.js';
import { ask, askInSession, target } from './run.js';

const plan = JSON.parse(__ENV.PLAN);
const routes = __ENV.ROUTES.endsWith('.json') ? listed(__ENV.ROUTES, plan) : require(__ENV.ROUTES);

export const options = optionsOf(plan);

export function setup() {
  return routes.findIds ? routes.findIds(target, plan) : {};
}

export default function (data) {
  if (routes.session) askInSession(plan, routes.session, data);
  else ask(plan, (n) => routes.requestOf(n, data, plan));
}
