// Measures the latency of saves while sessions and history are pruned.
import { setTimeout as sleep } from 'node:timers/promises'
import { works } from './growth-works.mjs'

/** Far below the server's capacity: this measures waiting for the database, not the share of the processor. */
const SAVES_PER_SECOND = 300
const CONNECTIONS = 32
const SECONDS = 8
/** The time range of sessions' ends that one request prunes: some 20,000 sessions. */
const SLICE_MS = 1_200_000
const RETENTION = { historyKeepRevisions: 1, historyRetentionDays: 30, sessionRetentionDays: undefined }

/**
 * Measures saves alone, during pruneSessions and during retention, in turn.
 * @returns the samples of each by round, and how much was pruned meanwhile
 */
export async function measureSaver(set, { rounds, load, say }) {
  const { openDatabase } = await import('../dist/database/database.js')
  const { runRetentionOnce } = await import('../dist/maintenance/retention.js')
  const log = { info() {}, warn() {}, error() {}, debug() {} }
  const database = openDatabase({
    url: set.databaseUrl,
    poolSize: 2,
    connectTimeoutMs: 3_000,
    statementTimeoutMs: 4_000,
    log,
  })
  const save = works.find(({ name }) => name === 'saveCheckpoint')
  const saver = (seconds) =>
    load(set, save, {
      connections: CONNECTIONS,
      settleRequests: CONNECTIONS,
      perSecond: SAVES_PER_SECOND,
      requests: SAVES_PER_SECOND * seconds,
    })
  let completedBefore = Date.UTC(2026, 0, 1)
  const pruneSlice = async () => {
    completedBefore += SLICE_MS
    const query = `mutation { pruneSessions(input: { completedBefore: "${new Date(completedBefore).toISOString()}" }) {
      ... on PruneSessionsSuccess { count } } }`
    const response = await fetch(set.url, { method: 'POST', headers: set.headers, body: JSON.stringify({ query }) })
    const { data, errors } = await response.json()
    if (errors) throw new Error(errors[0].message)
    return data.pruneSessions.count
  }
  const kinds = {
    alone: async () => 0,
    'during pruneSessions': pruneSlice,
    // As each server does once a minute. It runs in another process, as on another replica.
    'during retention of history': async (signal) => (await runRetentionOnce(database, RETENTION, signal)).revisions,
  }
  const results = Object.entries(kinds).map(([name, disturb]) => ({
    name,
    disturb,
    samples: [],
    pruned: 0,
    seconds: 0,
  }))
  try {
    await saver(3)
    for (let round = 0; round < rounds; round += 1) {
      for (const result of results) {
        const stopping = new AbortController()
        const since = performance.now()
        const disturbance = (async () => {
          let pruned = 0
          while (!stopping.signal.aborted) {
            pruned += await result.disturb(stopping.signal)
            if (result.name === 'alone') await sleep(100)
          }
          return pruned
        })()
        await sleep(300)
        const sample = await saver(SECONDS)
        stopping.abort()
        const pruned = await disturbance
        result.samples.push(sample)
        result.pruned += pruned
        result.seconds += (performance.now() - since) / 1_000
        say(
          `saver ${round + 1}/${rounds} ${result.name}: p50 ${sample.p50.toFixed(1)}, p99 ${sample.p99.toFixed(1)}, max ${sample.max.toFixed(1)} ms; ${pruned} pruned`,
        )
      }
    }
  } finally {
    await database.close()
  }
  return { results, perSecond: SAVES_PER_SECOND, connections: CONNECTIONS, seconds: SECONDS }
}
