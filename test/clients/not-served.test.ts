import { once } from 'node:events'
import { ApolloClient, type ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { Defer20220824Handler } from '@apollo/client/incremental'
import { BatchHttpLink } from '@apollo/client/link/batch-http'
import { createClient } from 'graphql-sse'
import { firstValueFrom } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { sectionOf } from '../integration/docs/markdown.ts'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'
import { guide } from './documented-project.ts'

/** What a client sees of a refusal: the HTTP status or the close code, and the message or the reason. */
interface Refusal {
  readonly status: number
  readonly message: string
}

const rows = [...sectionOf(guide, 'Not served').matchAll(/^- (.+)\n(?: {2}\w.*\n)* {2}- (\d+): `(.+?)`/gm)].map(
  ([, what = '', status, message = '']) => ({ what: what.replaceAll('*', ''), status: Number(status), message }),
)

describe('what docs/clients.md says is not served', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const post = (body: BodyInit, headers = {}) => fetch(waymark.url, { method: 'POST', body, headers })
  const apollo = (link: ApolloLink) =>
    new ApolloClient({ cache: new InMemoryCache(), link, incrementalHandler: new Defer20220824Handler() })

  function fileOfUpload(): FormData {
    const parts = new FormData()
    parts.set('operations', '{"query":"mutation ($file: Upload!) { upload(file: $file) }","variables":{"file":null}}')
    parts.set('map', '{"0":["variables.file"]}')
    parts.set('0', new Blob(['x']), 'x.txt')
    return parts
  }

  /** By what a row begins with: what a client that tries does. Most reject. */
  const attempts: Record<string, () => Promise<unknown>> = {
    'Several operations': () => {
      const client = apollo(new BatchHttpLink({ uri: waymark.url }))
      return Promise.all(
        ['{ streams { name } }', '{ viewer { subject } }'].map((text) => client.query({ query: gql(text) })),
      )
    },
    Files: () => post(fileOfUpload()),
    Forms: () => post(new URLSearchParams({ query: '{ __typename }' })),
    '`@defer`': () => {
      const query = gql('{ streams { name ...More @defer } } fragment More on Stream { ordering }')
      return apollo(new HttpLink({ uri: waymark.url })).query({ query })
    },
    'Subscriptions as': () => {
      const query = gql('subscription { checkpointChanged { cursor } }')
      return firstValueFrom(apollo(new HttpLink({ uri: waymark.url })).subscribe({ query }))
    },
    'One connection': () =>
      createClient({ url: waymark.url, singleConnection: true, retryAttempts: 0 })
        .iterate({ query: '{ __typename }' })
        .next(),
    'Documents that': () => {
      const body = { extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } }
      return post(JSON.stringify(body), { 'content-type': 'application/json' })
    },
  }

  /** Makes an attempt. @returns what the server answered to it */
  async function refusalOf(attempt: () => Promise<unknown>): Promise<Refusal> {
    const answers: { readonly status: number; readonly text: string }[] = []
    const { fetch } = globalThis
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (...request) => {
      const answer = await fetch(...request)
      answers.push({ status: answer.status, text: await answer.clone().text() })
      return answer
    })
    await attempt().catch(() => undefined)
    spy.mockRestore()
    expect(answers).toHaveLength(1)
    const [{ status, text } = { status: 0, text: '{}' }] = answers
    const { errors } = JSON.parse(text) as { errors?: { message: string }[] }
    return { status, message: errors?.[0]?.message ?? 'none' }
  }

  it.each(rows)('is refused as it says: $what', async ({ what, ...told }) => {
    if (what.startsWith('The old WebSocket')) {
      const socket = new WebSocket(waymark.url.replace('http', 'ws'), 'graphql-ws')
      const [status, reason] = (await once(socket, 'close')) as [number, Buffer]
      expect({ status, message: reason.toString() }).toEqual(told)
      return
    }
    const [, attempt] = Object.entries(attempts).find(([start]) => what.startsWith(start)) ?? []
    if (!attempt) throw new Error(`nothing tries ${what}`)
    expect(await refusalOf(attempt)).toEqual(told)
  })

  it('is all of it tried', () => {
    expect(rows).toHaveLength(Object.keys(attempts).length + 1)
  })
})
