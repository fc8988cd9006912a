import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Kind, parse } from 'graphql'
import type { Break, Forgery, Json, JsonObject } from './script.ts'

/** One operation that a client sent, and what became of it. */
export interface Asked {
  /** The field of the operation, e.g. saveCheckpoint. */
  readonly field: string
  readonly input: JsonObject
  readonly variables: JsonObject
  readonly authorization: string | undefined
  readonly path: string
  /** When it came, milliseconds. */
  readonly at: number
  /** What Waymark answered; undefined: it never got the operation, or answered no result. */
  result?: JsonObject & { readonly __typename?: string }
  /** How many operations had been sent when Waymark answered. */
  askedWhenAnswered?: number
  /** What the script did to it. */
  broken?: Break
}

export interface ProxyHooks {
  /** Called before the operation goes to Waymark. @returns how it breaks */
  onAsked(asked: Asked): Promise<Break | undefined>
  /** Called with Waymark's answer, before the client has it. @returns how the answer breaks */
  onAnswered(asked: Asked): Promise<Break | undefined>
}

/** A way to Waymark that tells what passes, and breaks where it is told to. */
export class BreakingProxy implements AsyncDisposable {
  readonly asked: Asked[] = []
  readonly #hooks: ProxyHooks
  readonly #agent = new Agent({ keepAlive: true })
  #server: Server
  #port = 0
  /** The server's URL. */
  target: string

  private constructor(target: string, hooks: ProxyHooks) {
    this.target = target
    this.#hooks = hooks
    this.#server = this.#create()
  }

  static async start(target: string, hooks: ProxyHooks): Promise<BreakingProxy> {
    const proxy = new BreakingProxy(target, hooks)
    await proxy.#listen()
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/graphql`
  }

  /** Takes no connection for so long, and ends those that are open. */
  async down(milliseconds: number): Promise<void> {
    await this.#close()
    await new Promise((resolve) => setTimeout(resolve, milliseconds))
    this.#server = this.#create()
    await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    this.#agent.destroy()
  }

  #create(): Server {
    return createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
      this.#pass(incoming, response).catch(() => response.destroy())
    })
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(incoming)
    const { query, variables = {} } = JSON.parse(body) as { query: string; variables?: JsonObject }
    const asked: Asked = {
      ...{ field: fieldOf(query).name, input: (variables['input'] ?? {}) as JsonObject, variables },
      ...{ authorization: incoming.headers.authorization, path: incoming.url ?? '', at: Date.now() },
    }
    this.asked.push(asked)
    const broken = await this.#hooks.onAsked(asked)
    if (broken) asked.broken = broken
    const isAfter = broken !== undefined && isAfterAnswer(broken)
    if (broken && 'answers' in broken) {
      // No answer of the server's own: to see what a client makes of what this server never says.
      asked.result = broken.answers
      const data = { [fieldOf(query).key]: broken.answers }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
      return
    }
    if (broken && !isAfter) {
      fail(broken, response)
      return
    }
    const answer = await this.#forward(body)
    const result = resultOf(answer.body)
    if (result) asked.result = result
    asked.askedWhenAnswered = this.asked.length
    const late = (await this.#hooks.onAnswered(asked)) ?? broken
    if (late && !('answers' in late)) fail(late, response, answer)
    else response.writeHead(answer.status, answer.headers).end(answer.body)
  }

  #forward(body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      // Waymark's own key check is off here: what the client sent is looked at by the runner.
      const headers = { 'content-type': 'application/json', accept: 'application/json' }
      const sent = request(this.target, { agent: this.#agent, method: 'POST', headers }, (reply) => {
        text(reply).then((answer) => {
          const type = reply.headers['content-type'] ?? 'application/json'
          const retryAfter = reply.headers['retry-after']
          const kept = { 'content-type': type, ...(retryAfter !== undefined && { 'retry-after': retryAfter }) }
          resolve({ status: reply.statusCode ?? 0, headers: kept, body: answer })
        }, reject)
      })
      sent.on('error', reject).end(body)
    })
  }
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

function isAfterAnswer(broken: Break): boolean {
  if ('fails' in broken) return ['lost', 'half', 'silentAfter'].includes(broken.fails)
  return !('answers' in broken) && broken.after === true
}

function fail(broken: Exclude<Break, Forgery>, response: ServerResponse, answer?: Answer): void {
  if ('status' in broken) {
    const gateway = { 'content-type': 'text/html' }
    response.writeHead(broken.status, gateway).end(`<html><h1>${broken.status}</h1></html>`)
  } else if ('code' in broken) {
    const { code, retryAfterSeconds } = broken
    const retry = retryAfterSeconds !== undefined && { retryAfterSeconds }
    const headers = {
      'content-type': 'application/json',
      ...(retry && { 'retry-after': String(retryAfterSeconds) }),
    }
    const error = { message: `the script says ${code}`, extensions: { code, ...retry } }
    response.writeHead(STATUS[code] ?? 200, headers).end(JSON.stringify({ errors: [error] }))
  } else if (broken.fails === 'half' && answer) {
    const length = Buffer.byteLength(answer.body)
    response.writeHead(answer.status, { ...answer.headers, 'content-length': length })
    response.write(answer.body.slice(0, answer.body.length >> 1), () => response.destroy())
  } else if (broken.fails === 'refused' || broken.fails === 'lost') {
    response.destroy()
  }
  // Else nothing more is said: the client has to give up by itself.
}

const STATUS: Record<string, number> = {
  OVERLOADED: 503,
  SERVICE_UNAVAILABLE: 503,
  RATE_LIMITED: 429,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
}

interface Field {
  readonly name: string
  /** Its name in the answer. */
  readonly key: string
}

const fields = new Map<string, Field>()

/** The first field of an operation; the clients send no operation with two. */
function fieldOf(query: string): Field {
  let field = fields.get(query)
  if (field === undefined) {
    const { definitions } = parse(query, { noLocation: true })
    const operation = definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION)
    const selected = operation?.selectionSet.selections[0]
    if (selected?.kind !== Kind.FIELD) throw new Error(`no operation: ${query}`)
    field = { name: selected.name.value, key: selected.alias?.value ?? selected.name.value }
    fields.set(query, field)
  }
  return field
}

/** What the one field of the answer holds. */
function resultOf(body: string): (JsonObject & { readonly __typename?: string }) | undefined {
  const { data } = JSON.parse(body) as { data?: Record<string, Json> | null }
  const [result] = Object.values(data ?? {})
  return result !== null && typeof result === 'object' && !Array.isArray(result) ? (result as JsonObject) : undefined
}
