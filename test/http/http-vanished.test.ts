import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Repeater } from 'graphql-yoga'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startHttpServer, type HttpServer } from '../../src/http/server.ts'
import { schemaOf } from './http-support.ts'

const reader = fileURLToPath(new URL('lingering-reader.mjs', import.meta.url))

/** A network that can be cut: a namespace of its own, with one cable to here. */
class Elsewhere {
  readonly #name = `wm${process.pid}`
  readonly address = `10.213.${process.pid % 250}.1`

  constructor() {
    const [name, here, there] = [this.#name, `${this.#name}a`, `${this.#name}b`]
    ip('netns', 'add', name)
    ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name)
    ip('addr', 'add', `${this.address}/30`, 'dev', here)
    ip('link', 'set', here, 'up')
    ip('-n', name, 'addr', 'add', `${this.address.slice(0, -1)}2/30`, 'dev', there)
    ip('-n', name, 'link', 'set', there, 'up')
  }

  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#name]
  }

  cut(): void {
    ip('-n', this.#name, 'link', 'set', `${this.#name}b`, 'down')
  }

  remove(): void {
    ip('netns', 'delete', this.#name)
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}

function findElsewhere(): Elsewhere | undefined {
  try {
    return new Elsewhere()
  } catch {
    return undefined // no Linux, no iproute2, or no right to
  }
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Longer than the 30 s that are promised, for a busy machine; the kernel by itself takes a quarter of an hour. */
const withinAMinute = { timeout: 60_000, interval: 50 }

describe('the subscription of a client', () => {
  const opened: string[] = []
  const returned: string[] = []
  const children: ChildProcess[] = []
  let server: HttpServer
  let elsewhere: Elsewhere | undefined

  const watch = (by: string, transport: 'socket' | 'events', from?: Elsewhere) => {
    const query = `subscription { watch(by: "${by}") }`
    const [command, ...args] = [
      ...(from?.prefix ?? []),
      process.execPath,
      reader,
      transport,
      `${from?.address ?? '127.0.0.1'}:${server.port}`,
      query,
    ]
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    children.push(child)
    return child
  }

  beforeAll(async () => {
    const schema = schemaOf('type Query { a: Int } type Subscription { watch(by: String!): String }', {
      'Subscription.watch': (_source, { by }) =>
        new Repeater<unknown>(async (push, stop) => {
          const name = String(by)
          opened.push(name)
          const ended = stop.then(() => returned.push(name))
          // Not at once: as long as its reader takes all, nothing else would get its turn.
          while (name === 'stalled' && !returned.includes(name)) {
            await push({ watch: 'x'.repeat(100_000) })
            await new Promise(setImmediate)
          }
          await ended
        }),
    })
    server = await startHttpServer<object>({
      ...{ host: '0.0.0.0', port: 0, schema, log: pino({ level: 'silent' }), debug: false },
      createContext: () => ({}),
      isReady: () => Promise.resolve({ ready: true }),
    })
    const stopped = [watch('stopped', 'socket'), watch('stalled', 'events')]
    elsewhere = findElsewhere()
    if (elsewhere) {
      watch('lost socket', 'socket', elsewhere)
      watch('lost events', 'events', elsewhere)
    }
    await vi.waitFor(() => expect(opened).toHaveLength(children.length), withinAMinute)
    for (const child of stopped) child.kill('SIGSTOP')
    elsewhere?.cut()
  })

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    for (const child of children) if (!isOver(child)) await once(child, 'exit')
    elsewhere?.remove()
    await server.close({ drainTimeoutMs: 0 })
  })

  it('that stopped without closing its WebSocket is returned', { timeout: 90_000 }, async () => {
    await vi.waitFor(() => expect(returned).toContain('stopped'), withinAMinute)
  })

  it('whose network went away is returned: WebSocket', { timeout: 90_000 }, async ({ skip }) => {
    skip(!elsewhere, 'needs Linux, the command ip and the right to make a network namespace')
    await vi.waitFor(() => expect(returned).toContain('lost socket'), withinAMinute)
  })

  it('whose network went away is returned: event stream', { timeout: 90_000 }, async ({ skip }) => {
    skip(!elsewhere, 'needs Linux, the command ip and the right to make a network namespace')
    await vi.waitFor(() => expect(returned).toContain('lost events'), withinAMinute)
  })

  it('that only takes nothing for a while is left alone: event stream', () => {
    expect(opened).toContain('stalled')
    expect(returned).not.toContain('stalled')
  })
})
