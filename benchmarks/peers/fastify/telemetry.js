'use strict'
// Loaded before all else (node --require) where telemetry is on: traces at 10%, by the SDK.
const { NodeSDK } = require('@opentelemetry/sdk-node')
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http')
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg')
const { IORedisInstrumentation } = require('@opentelemetry/instrumentation-ioredis')
const { FastifyOtelInstrumentation } = require('@fastify/otel')

new NodeSDK({
  traceExporter: new OTLPTraceExporter(),
  instrumentations: [
    new HttpInstrumentation(),
    new FastifyOtelInstrumentation({ registerOnInitialization: true }),
    new PgInstrumentation(),
    new IORedisInstrumentation()
  ]
}).start()
