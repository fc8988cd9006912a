import { once } from 'node:events'
import { connect } from 'node:net'

export interface Operation {
  readonly query: string
  readonly variables?: Record<string, unknown>
}

interface Answer {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly { readonly message: string }[]
}

/**
 * Sends operations in one packet over one connection (HTTP/1.1 pipelining): all of them are there in the same turn of the server's event
 * loop, however slow the machine is. @returns their answers, in order
 */
export async function askTogether(url: string, operations: readonly Operation[]): Promise<Answer[]> {
  const { hostname, port, pathname, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const requests = operations.map((operation) => {
    const body = JSON.stringify(operation)
    return `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  })
  socket.write(requests.join(''))
  const answers: Answer[] = []
  let rest = ''
  try {
    for await (const chunk of socket.setEncoding('latin1')) {
      rest += String(chunk)
      for (let answer = firstAnswer(rest); answer; answer = firstAnswer(rest)) {
        answers.push(answer.parsed)
        rest = rest.slice(answer.end)
      }
      if (answers.length === operations.length) return answers
    }
  } finally {
    socket.destroy()
  }
  throw new Error(`${answers.length} of ${operations.length} were answered`)
}

/** undefined: it isn't there yet. */
function firstAnswer(text: string): { readonly parsed: Answer; readonly end: number } | undefined {
  const bodyAt = text.indexOf('\r\n\r\n') + 4
  const length = /^content-length: (\d+)/im.exec(text.slice(0, bodyAt))?.[1]
  const end = bodyAt + Number(length)
  if (length === undefined || text.length < end) return undefined
  return { parsed: JSON.parse(Buffer.from(text.slice(bodyAt, end), 'latin1').toString('utf8')) as Answer, end }
}
