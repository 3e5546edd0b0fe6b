// What is asked for, how often, and under which name: the server's own URL template.
import http from 'k6/http';
import { fail, sleep } from 'k6';

const API = '/api/v1';
// Profiles and their slugs come twenty a page.
const PER_PAGE = 20;
const USUAL_ROWS = 400;

// Ids that exist, from the target itself.
export function findIds(target, plan = {}) {
  const most = Math.ceil((plan.rows || USUAL_ROWS) / PER_PAGE);
  const profiles = [];
  const pages = [`${API}/profiles?limit=20`];
  for (let page = 0; page < most && pages.length === page + 1; page += 1) {
    const body = read(target, pages[page]);
    body.results.forEach((profile) => profiles.push(profile.id, profile.slug));
    if (body.next) pages.push(body.next);
  }
  const slugs = (path) => read(target, path).results.map((each) => each.slug);
  return {
    pages,
    profiles,
    masks: slugs(`${API}/taxonomy/masks?limit=100`),
    epochs: slugs(`${API}/taxonomy/epochs?limit=100`),
    stages: slugs(`${API}/taxonomy/stages?limit=100`),
  };
}

function read(target, path) {
  const ask = () => http.get(target + path, { responseType: 'text', timeout: '10s' });
  let answer = ask();
  // One bad answer before the load has begun is not worth a run.
  for (let again = 0; answer.status !== 200 && again < 2; again += 1) {
    sleep(0.5);
    answer = ask();
  }
  if (answer.status !== 200) fail(`${target}${path} answered ${answer.status} ${answer.error}`);
  return answer.json();
}

const taxonomy = [
  (ids, u) => [`${API}/taxonomy/masks`, `${API}/taxonomy/masks`],
  (ids, u) => one(`${API}/taxonomy/masks`, ids.masks, u),
  (ids, u) => [`${API}/taxonomy/epochs`, `${API}/taxonomy/epochs`],
  (ids, u) => one(`${API}/taxonomy/epochs`, ids.epochs, u),
  (ids, u) => [`${API}/taxonomy/stages`, `${API}/taxonomy/stages`],
  (ids, u) => one(`${API}/taxonomy/stages`, ids.stages, u),
];

function one(path, slugs, u) {
  return [`${path}/{slug}`, `${path}/${pick(slugs, u)}`];
}

// Popular things are asked for more often: the cube leans towards the front.
function pick(list, u) {
  return list[Math.floor(list.length * u * u * u)];
}

// The parts of the mix (their shares are those of the plan, else these in percent) and what each
// asks for: [name, path] from ids and a number in [0, 1).
const MIX = { health: 40, profiles: 30, profile: 15, taxonomy: 10, ready: 5 };
const PARTS = {
  health: () => ['/health', '/health'],
  profiles: (ids, u) => [`${API}/profiles`, pick(ids.pages, u)],
  profile: (ids, u) => profile(ids, u),
  taxonomy: (ids, u) => taxonomy[Math.floor(u * 997) % taxonomy.length](ids, u),
  ready: () => ['/ready', '/ready'],
};

function profile(ids, u) {
  // An empty database has no profile to show; the list says so just as well.
  if (ids.profiles.length === 0) return [`${API}/profiles`, ids.pages[0]];
  return [`${API}/profiles/{id}`, pick(ids.profiles, u)].map((part, i) =>
    i === 0 ? part : `${API}/profiles/${part}`,
  );
}

// The request of iteration `n`: every hundred in a row hold the mix exactly, well stirred.
export function requestOf(n, ids, plan = {}) {
  const mix = plan.mix && Object.keys(plan.mix).length ? plan.mix : MIX;
  const whole = Object.values(mix).reduce((sum, share) => sum + share, 0);
  let slot = (((n * 37) % 100) * whole) / 100;
  const last = Object.keys(mix).pop();
  for (const [part, share] of Object.entries(mix)) {
    if (slot < share || part === last) return PARTS[part](ids, fraction(n));
    slot -= share;
  }
  return null;
}

// A number in [0, 1) that is the same for the same n (golden ratio: evenly spread).
function fraction(n) {
  return (n * 0.6180339887498949) % 1;
}
