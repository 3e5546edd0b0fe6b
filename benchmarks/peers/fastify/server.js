'use strict'
// The same answers from the same servers, as a Fastify project has them: pg, ioredis, prom-client.
const fastify = require('fastify')
const { Pool } = require('pg')
const Redis = require('ioredis')

const telemetry = process.env.TELEMETRY === 'on'
const app = fastify({ logger: telemetry, trustProxy: false })
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 4 })
const redis = new Redis(process.env.REDIS_URL)
const TTL_S = 600

const SUMMARY = `id, slug, display_name, title, headline, location, avatar_url, languages,
  interests, created_at, updated_at`
const LIST = {
  name: 'list',
  text: `SELECT ${SUMMARY} FROM profiles_profile
    WHERE is_active AND visibility = 'public' AND created_at >= $1
    ORDER BY created_at DESC, id DESC LIMIT $2`
}
const ROW = {
  name: 'row',
  text: `SELECT ${SUMMARY}, summary, website, visibility FROM profiles_profile
    WHERE is_active AND visibility = 'public' AND id = $1`
}

if (telemetry) {
  const client = require('prom-client')
  client.collectDefaultMetrics()
  const labels = ['method', 'route', 'status']
  const duration = new client.Histogram({
    name: 'http_request_duration_seconds', help: 'Time to answer.', labelNames: labels
  })
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unmatched'
    duration.labels(request.method, route, reply.statusCode).observe(reply.elapsedTime / 1000)
    done()
  })
  app.get('/metrics', async (request, reply) => {
    reply.type(client.register.contentType)
    return client.register.metrics()
  })
}

async function cached (key, compute, reply) {
  let body = await redis.get(key)
  if (body === null) {
    body = JSON.stringify(await compute())
    await redis.set(key, body, 'EX', TTL_S)
  }
  reply.type('application/json')
  return body
}

async function list (limit, from) {
  const { rows } = await pool.query({ ...LIST, values: [from, limit + 1] })
  return { items: rows.slice(0, limit), next: rows.length > limit ? rows[limit - 1].id : null }
}

async function row (id) {
  const { rows } = await pool.query({ ...ROW, values: [id] })
  return rows[0] ?? null
}

const listSchema = {
  querystring: {
    type: 'object',
    properties: {
      limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
      created_from: { type: 'string', default: '1970-01-01T00:00:00Z' }
    }
  }
}

app.get('/health', async () => ({ status: 'ok' }))
app.get('/api/v1/profiles', { schema: listSchema }, async (request, reply) => {
  const { limit, created_from: from } = request.query
  return cached(`fastify:list:${limit}:${from}`, () => list(limit, from), reply)
})
app.get('/api/v1/profiles/:id', async (request, reply) => {
  const { id } = request.params
  return cached(`fastify:row:${id}`, () => row(id), reply)
})

app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
