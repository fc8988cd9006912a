import type { Context } from 'graphql-ws'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { localOperator } from '../../src/identity/principal.ts'
import { LiveStreams } from '../../src/operations/streams/live-streams.ts'
import type { Pipeline } from '../../src/operations/pipeline.ts'
import { createSocketHooks, type SocketContext } from '../../src/websocket/hooks.ts'
import { SocketOperations } from '../../src/websocket/operations.ts'

it('keeps only the authorization of what a socket sends to connect', async () => {
  // Nobody asks it to connect.
  const pipeline = {} as Pipeline
  const admitted: string[] = []
  const { onConnect } = createSocketHooks(
    pipeline,
    ({ authorization }) => {
      admitted.push(String(authorization))
      return { principal: localOperator, watch: () => undefined }
    },
    1_000,
  )
  const extra: SocketContext = {
    operations: new SocketOperations(pino({ level: 'silent' }), { streams: new LiveStreams() }),
    credentials: { authorization: undefined },
    close: () => undefined,
    onAdmitted: () => undefined,
    onStream: () => undefined,
  }
  const context: Context<Record<string, unknown>, SocketContext> = {
    connectionInitReceived: true,
    acknowledged: false,
    subscriptions: {},
    connectionParams: { authorization: 'Bearer key', objects: [{}, {}], text: 'x'.repeat(1_000) },
    extra,
  }
  expect(await onConnect?.(context)).toBe(true)
  expect(admitted).toEqual(['Bearer key'])
  expect(context.connectionParams).toBeUndefined()
  expect(extra.credentials).toEqual({ authorization: 'Bearer key' })
})
