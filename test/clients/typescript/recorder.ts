/** A fetch that notes each operation, and can fail in place of the network. */
export class Recorder {
  /** In the order in which they were sent. */
  readonly sent: { readonly name: string; readonly input: Record<string, any>; readonly headers: Headers }[] = []
  /** Called before each request goes out, and after its answer came. Throw to lose it. */
  before: (name: string, count: number) => void | Promise<void> = () => undefined
  after: (name: string, response: Response) => Response | Promise<Response> = (_, response) => response

  readonly fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const { query, variables } = JSON.parse(init?.body as string) as { query: string; variables?: Record<string, any> }
    const name = /(?:query|mutation|subscription) (\w+)/.exec(query)?.[1] ?? query
    this.sent.push({ name, input: variables?.['input'] ?? variables, headers: new Headers(init?.headers) })
    await this.before(name, this.count(name))
    return this.after(name, await fetch(url, init))
  }

  count(name: string): number {
    return this.of(name).length
  }

  /** What was sent of one operation. */
  of(name: string): Record<string, any>[] {
    return this.sent.filter((one) => one.name === name).map(({ input }) => input)
  }

  get names(): string[] {
    return this.sent.map(({ name }) => name)
  }
}
