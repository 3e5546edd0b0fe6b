// Routes as perfops lists them: [{ name, share, paths, statuses }], with every path written out.
import { SharedArray } from 'k6/data';

// Evenly spread over a square (the plastic number): which route, and which of its paths.
const ROUTE = 0.7548776662466927;
const PATH = 0.5698402909980532;

export function listed(file) {
  const read = () => JSON.parse(open(file));
  // One copy for all VUs.
  const paths = new SharedArray('paths', () => read().flatMap((route) => route.paths));
  const mix = [...new SharedArray('mix', () => placed(read()))];
  const whole = mix.reduce((sum, route) => sum + route.share, 0);

  function requestOf(n) {
    let left = ((n * ROUTE) % 1) * whole;
    const route = mix.find((each) => (left -= each.share) < 0) || mix[0];
    // Popular things are asked for more often: the cube leans towards the front.
    const place = Math.floor(route.count * ((n * PATH) % 1) ** 3);
    return [route.name, paths[route.first + place], {}, route.statuses];
  }

  return { requestOf };
}

function placed(routes) {
  let first = 0;
  return routes.map(({ name, share, paths, statuses }) => {
    first += paths.length;
    return { name, share, statuses, count: paths.length, first: first - paths.length };
  });
}
