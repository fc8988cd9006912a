import { RateLimiterCluster } from 'rate-limiter-flexible'
import type { Logger } from 'pino'
import { type App, startApp } from '../app.ts'
import type { Config } from '../config.ts'
import { CallerRates } from '../limits/caller-rates.ts'
import { isWaymarkMessage, type PrimaryMessage, type WorkerMessage } from './messages.ts'
import { WorkerStreams } from './worker-streams.ts'

/**
 * Starts one of several workers that serve one port, and tells the primary when it serves. Callers are counted by the
 * primary, over all workers.
 * @throws StartupError for problems that the operator can fix; the primary reports them
 */
export async function startWorker(config: Config, log: Logger): Promise<App> {
  const streams = new WorkerStreams(tellPrimary)
  process.on('message', (message) => {
    if (isStreamEntered(message)) streams.settle(message.id, message.refusal)
  })
  const makeLimiter = (options: { readonly points: number; readonly duration: number }) =>
    new RateLimiterCluster({ ...options, keyPrefix: 'waymark' })
  const rates = new CallerRates(config.rateLimitPointsPerMinute, undefined, makeLimiter)
  const app = await startApp(config, log, {}, { streams, rates })
  tellPrimary({ waymark: 'serves', url: app.url })
  return app
}

function tellPrimary(message: WorkerMessage): void {
  // Without a primary, Node ends this process.
  if (process.connected) process.send?.(message)
}

function isStreamEntered(message: unknown): message is Extract<PrimaryMessage, { readonly waymark: 'streamEntered' }> {
  return isWaymarkMessage(message) && message.waymark === 'streamEntered'
}
