/** One answer of a stream: what it told, or the error that ended it. */
export interface StreamAnswer<Data> {
  readonly data?: Data | null
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

/** Opens a subscription over SSE; resolves once the server has begun it. Leave by the signal. */
export async function openStream<Data>(
  url: string,
  operation: { readonly query: string; readonly variables?: Record<string, unknown> },
  signal: AbortSignal,
): Promise<AsyncGenerator<StreamAnswer<Data>, void>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify(operation),
    signal,
  })
  if (!response.ok || !response.body) throw new Error(`no stream: ${response.status} ${await response.text()}`)
  return answersOf<Data>(response.body.pipeThrough(new TextDecoderStream()), signal)
}

async function* answersOf<Data>(
  chunks: ReadableStream<string>,
  signal: AbortSignal,
): AsyncGenerator<StreamAnswer<Data>, void> {
  let text = ''
  try {
    for await (const chunk of chunks) {
      text += chunk
      const messages = text.split('\n\n')
      text = messages.pop() ?? ''
      for (const message of messages) {
        const line = message.split('\n').find((candidate) => candidate.startsWith('data: {'))
        if (line) yield JSON.parse(line.slice('data: '.length)) as StreamAnswer<Data>
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
