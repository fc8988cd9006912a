import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty: it has none. */
  readonly parentSpanId: string
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** 2: an error. */
  readonly status: number
}

/** Takes OTLP/JSON as an OpenTelemetry collector does: https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export interface Collector extends AsyncDisposable {
  readonly url: string
  readonly spans: readonly CollectedSpan[]
  /** Attributes of the process that sent them. */
  readonly resource: () => Readonly<Record<string, unknown>>
  /** All that ever came, as text. */
  readonly text: () => string
  /** The spans of a trace, once there is one of each name among them. */
  trace(traceId: string, ...names: readonly string[]): Promise<readonly CollectedSpan[]>
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes?: readonly Attribute[]
  readonly links?: CollectedSpan['links']
  readonly status?: { readonly code?: number }
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = []
  let resource = {}
  let all = ''
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.once('end', () => {
      all += `${request.url ?? ''} ${request.headers['content-type'] ?? ''} ${text}\n`
      for (const sent of (JSON.parse(text) as OtlpBody).resourceSpans) {
        resource = valuesOf(sent.resource.attributes)
        spans.push(...sent.scopeSpans.flatMap((scope) => scope.spans.map(toSpan)))
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    resource: () => resource,
    text: () => all,
    async trace(traceId, ...names) {
      const ofTrace = () => spans.filter((span) => span.traceId === traceId)
      await expect
        .poll(() => ofTrace().map(({ name }) => name), { timeout: 15_000 })
        .toEqual(expect.arrayContaining([...names]))
      return ofTrace()
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function toSpan({ traceId, spanId, parentSpanId = '', name, attributes = [], links = [], status }: OtlpSpan) {
  return { traceId, spanId, parentSpanId, name, attributes: valuesOf(attributes), links, status: status?.code ?? 0 }
}

function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
