import { PageTokenRefused, type Page } from '../../../clients/typescript/src/index.ts'

export interface Item {
  readonly id: string
}

/** A platform whose pages are scripted: a token is `p<n>`, the number of the page. */
export class PagedList {
  /** The tokens that were asked for, null for the top. */
  readonly asked: (string | null)[] = []
  readonly processed: string[][] = []
  pages: string[][]
  /** Tokens that are refused. */
  readonly refused = new Set<string>()

  constructor(pages: string[][]) {
    this.pages = pages
  }

  get all(): string[] {
    return this.processed.flat()
  }

  fetchPage(pageToken: string | null): Page<Item> {
    this.asked.push(pageToken)
    if (pageToken !== null && this.refused.has(pageToken)) throw new PageTokenRefused()
    const at = pageToken === null ? 0 : Number(pageToken.slice(1))
    const items = (this.pages[at] ?? []).map((id) => ({ id }))
    return { items, nextToken: at + 1 < this.pages.length ? `p${at + 1}` : null }
  }

  /** The options of crawl() that lead to this list. */
  get options() {
    return {
      id: ({ id }: Item) => id,
      fetchPage: ({ pageToken }: { readonly pageToken: string | null }): Page<Item> | Promise<Page<Item>> =>
        this.fetchPage(pageToken),
      // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- as in the client's own type
      process: (items: Item[]): number | void | Promise<number | void> => {
        this.processed.push(items.map(({ id }) => id))
      },
    }
  }
}
