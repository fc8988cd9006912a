import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './longest-first.ts'

/** What they measure is latency, memory, or how soon something is done: beside them runs one other file, as it was when their bounds were set. */
const MEASURING = [
  'test/faults/**/*.test.ts',
  'test/e2e/slow-clients.test.ts',
  'test/integration/events/{list-and-watch,one-reader,stalled-reader}.test.ts',
  'test/integration/http/http-{busy,stalled,vanished}.test.ts',
]

const common = {
  root: fileURLToPath(new URL('..', import.meta.url)),
  // graphql has one entry for bundlers (index.mjs) and one for Node (index.js); two copies of it in one process know each other's types not.
  resolve: {
    alias: [
      { find: /^graphql$/, replacement: fileURLToPath(new URL('../node_modules/graphql/index.js', import.meta.url)) },
    ],
  },
}
const paces = { pool: 'forks', testTimeout: 30_000, hookTimeout: 60_000 } as const

export default defineConfig({
  ...common,
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: LongestFirst },
    coverage: { provider: 'v8', include: ['src/**/*.ts'], exclude: ['**/generated/**'] },
    // By default there is one worker less than cores; but most tests wait for servers, locks and leases. Three keep two cores 90 to 98 % busy (558 s),
    // and both runs with three had failures of tests, since mended: two, until three have passed some times.
    projects: [
      {
        ...common,
        test: {
          ...paces,
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: MEASURING,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...common,
        test: { ...paces, name: 'measuring', include: MEASURING, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
