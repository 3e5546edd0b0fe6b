import { optionsOf, planOf } from './lib/plan.js';
import { findIds } from './lib/routes.js';
import { ask, target } from './lib/run.js';

const plan = planOf('stress');
export const options = optionsOf('stress');

export function setup() {
  return findIds(target);
}

export default function (ids) {
  ask(plan, ids);
}
