// From a scenario's plan, an entry of scenarios.json, to k6's options and to when each request
// is due.

// Little's law: VUs in use = rate x latency. There must be room for half a second each (or what
// the plan says), or a stall of the server would show as a lower rate instead of as latency.
const ROOM_S = 0.5;

// Open model: arrivals follow the plan however slowly the server answers.
export function optionsOf(plan) {
  const rates = [plan.start_rate, ...plan.stages.map((stage) => stage.rate)];
  const peak = Math.max(...rates);
  // k6 takes whole numbers only: tenths of a request a second are some in a minute.
  const unit = rates.every(Number.isInteger) ? 1 : 60;
  const arrivals = (rate) => Math.round(rate * unit);
  return {
    scenarios: {
      load: {
        executor: 'ramping-arrival-rate',
        startRate: arrivals(plan.start_rate),
        timeUnit: `${unit}s`,
        stages: plan.stages.map((stage) => ({
          duration: `${stage.seconds}s`, target: arrivals(stage.rate),
        })),
        preAllocatedVUs: Math.min(
          plan.max_vus,
          Math.max(1, Math.ceil(peak * (plan.room_s || ROOM_S))),
        ),
        maxVUs: plan.max_vus,
        gracefulStop: '10s',
      },
    },
    thresholds: plan.thresholds || {},
    discardResponseBodies: true,
    // A redirect may lead to a server that nobody has allowed.
    maxRedirects: 0,
    setupTimeout: '180s',
    userAgent: 'perfops-k6',
  };
}

// When iteration number `n` should have started, in seconds from the scenario's start: the
// inverse of the arrivals planned up to a moment, a quadratic within a stage.
export function intendedStart(plan, n) {
  let rate = plan.start_rate;
  let arrived = 0;
  let passed = 0;
  for (const stage of plan.stages) {
    const inStage = ((rate + stage.rate) / 2) * stage.seconds;
    if (n < arrived + inStage) {
      return passed + secondsFor(n - arrived, rate, (stage.rate - rate) / stage.seconds);
    }
    arrived += inStage;
    passed += stage.seconds;
    rate = stage.rate;
  }
  return passed;
}

// Solve rate*t + slope*t*t/2 = count for t.
function secondsFor(count, rate, slope) {
  if (slope === 0) return count / rate;
  return (Math.sqrt(rate * rate + 2 * slope * count) - rate) / slope;
}
