import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from './paging.ts'

const CURSOR = 'A cursor of this list in this order.'

/** The arguments of a list that is only read forward. */
export const forwardArguments = {
  first: {
    description:
      'The number of nodes to read from the beginning of the list, or behind `after`: ' +
      `0 to ${MAX_PAGE_SIZE}, default ${DEFAULT_PAGE_SIZE}.`,
  },
  after: { description: 'A cursor of this list. The page begins behind it: send `endCursor` for the next page.' },
} as const

/** What the relay plugin's options say of the arguments and the pages of every list. */
export const pageDescriptions = {
  firstArgOptions: {
    description:
      'The number of nodes to read from the beginning of the list, or behind `after`: ' +
      `0 to ${MAX_PAGE_SIZE}, default ${DEFAULT_PAGE_SIZE}. Not together with \`last\`.`,
  },
  afterArgOptions: { description: `${CURSOR} The page begins behind it: send \`endCursor\` for the next page.` },
  lastArgOptions: {
    description:
      'The number of nodes to read from the end of the list, or in front of `before`: ' +
      `0 to ${MAX_PAGE_SIZE}. Not together with \`first\`.`,
  },
  beforeArgOptions: {
    description: `${CURSOR} The page ends in front of it: send \`startCursor\` for the page before.`,
  },
  edgesFieldOptions: {
    description: 'The nodes of this page, each with its cursor.',
    nullable: { list: false, items: false },
  },
  nodesOnConnection: { description: 'The nodes of this page.' },
  pageInfoFieldOptions: { description: 'The place of this page in the list.' },
  cursorFieldOptions: { description: 'The place of the node in the list. Send it as `after` or `before`.' },
  nodeFieldOptions: { description: 'The object at this place of the list.' },
  hasNextPageFieldOptions: {
    description: 'Whether the list continues after this page. With `last`: whether `before` was sent.',
  },
  hasPreviousPageFieldOptions: {
    description: 'Whether the list has nodes before this page. With `first`: whether `after` was sent.',
  },
  startCursorFieldOptions: { description: 'The cursor of the first node. Null: the page is empty.' },
  endCursorFieldOptions: { description: 'The cursor of the last node. Null: the page is empty.' },
} as const
