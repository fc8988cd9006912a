import { type GraphQLSchema, OperationTypeNode } from 'graphql'
import { Counter, Histogram, type Registry } from 'prom-client'
import type { Exchange } from '../../operations/exchange/exchange.ts'
import { type Outcome, OUTCOMES, type RequestObserver } from '../../operations/exchange/observer.ts'

/** From the duration of a read on an idle machine to that of the longest allowed statement. */
const DURATION_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** The labels of requests that could not be read as an operation, and of introspection fields. */
const NO_FIELD = { type: 'none', field: 'none' }
const INTROSPECTION = { type: 'query', field: 'introspection' }

/** The series of one field, made once, so that counting needs no lookup by labels. */
interface FieldSeries {
  readonly outcomes: Readonly<Record<Outcome, { inc(): void }>>
  readonly duration: { observe(seconds: number): void }
}

/**
 * Counts requests by the schema's root fields and a fixed list of outcomes. Names that a client chooses (of operations,
 * aliases) are never labels: each new name would add a series. All series exist from the start with 0, so that a rate
 * includes the first failure.
 */
export function createRequestMetrics(schema: GraphQLSchema, registry: Registry): RequestObserver {
  const requests = new Counter({
    name: 'waymark_requests_total',
    help: 'GraphQL operations by root field and outcome; one with several root fields counts once for each.',
    labelNames: ['type', 'field', 'outcome'],
    registers: [registry],
  })
  const durations = new Histogram({
    name: 'waymark_request_duration_seconds',
    help: 'Time from the first byte of an operation until its answer has left or its stream is open, by root field.',
    labelNames: ['type', 'field'],
    buckets: DURATION_SECONDS,
    registers: [registry],
  })
  const events = new Counter({
    name: 'waymark_stream_events_total',
    help: 'Events delivered to subscribers, by subscription field.',
    labelNames: ['field'],
    registers: [registry],
  })

  function makeSeries(labels: { type: string; field: string }): FieldSeries {
    durations.zero(labels)
    const outcomes = OUTCOMES.map((outcome) => {
      const child = requests.labels({ ...labels, outcome })
      child.inc(0)
      return [outcome, child] as const
    })
    return { outcomes: Object.fromEntries(outcomes) as FieldSeries['outcomes'], duration: durations.labels(labels) }
  }

  const none = makeSeries(NO_FIELD)
  const introspection = makeSeries(INTROSPECTION)
  const seriesOf = new Map<string, FieldSeries>()
  for (const type of Object.values(OperationTypeNode)) {
    for (const field of Object.keys(schema.getRootType(type)?.getFields() ?? {})) {
      seriesOf.set(keyOf(type, field), makeSeries({ type, field }))
    }
  }
  const eventsOf = new Map<string, { inc(): void }>()
  for (const field of Object.keys(schema.getSubscriptionType()?.getFields() ?? {})) {
    const child = events.labels({ field })
    child.inc(0)
    eventsOf.set(field, child)
  }

  return {
    onAnswered({ operationType, rootFields, startedAtMs }: Exchange, outcome) {
      const seconds = (performance.now() - startedAtMs) / 1000
      const record = (series: FieldSeries) => {
        series.outcomes[outcome].inc()
        series.duration.observe(seconds)
      }
      if (operationType === undefined || rootFields.length === 0) record(none)
      else for (const field of rootFields) record(seriesOf.get(keyOf(operationType, field)) ?? introspection)
    },
    onEvent({ rootFields: [field = ''] }) {
      eventsOf.get(field)?.inc()
    },
  }
}

function keyOf(type: string, field: string): string {
  return `${type} ${field}`
}
