import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './longest-first.ts'

const UNIT = ['test/unit/**/*.test.ts']
/** What they measure is latency, memory, or how soon something is done: they run after the others, two at a time. */
const FAULTS = ['test/faults/**/*.test.ts', 'test/e2e/ordinary-user.test.ts']

const common = {
  root: fileURLToPath(new URL('..', import.meta.url)),
  // graphql has one entry for bundlers (index.mjs) and one for Node (index.js). Two copies in one process do not know
  // each other's types.
  resolve: {
    alias: [
      { find: /^graphql$/, replacement: fileURLToPath(new URL('../node_modules/graphql/index.js', import.meta.url)) },
    ],
  },
}
// A worker imports the server once and keeps it for all its files: 1.5 s of processor time for each file otherwise.
const paces = {
  pool: 'forks' as const,
  isolate: false,
  setupFiles: ['test/support/restore.ts'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}
// Tests wait for servers, locks and leases for half of their time, so three workers keep two cores busy. With four the
// server sheds load.
const busy = { maxWorkers: Math.ceil(availableParallelism() * 1.5), sequence: { groupOrder: 0 } }
const quiet = { maxWorkers: 2, sequence: { groupOrder: 1 } }
const withPostgres = { globalSetup: ['test/support/global-setup.ts'] }

export default defineConfig({
  ...common,
  test: {
    sequence: { sequencer: LongestFirst },
    coverage: { provider: 'v8', include: ['src/**/*.ts'], exclude: ['**/generated/**'] },
    projects: [
      { ...common, test: { ...paces, ...busy, name: 'unit', include: UNIT } },
      {
        ...common,
        test: {
          ...paces,
          ...busy,
          ...withPostgres,
          name: 'integration',
          include: ['test/**/*.test.ts'],
          exclude: [...UNIT, ...FAULTS],
        },
      },
      { ...common, test: { ...paces, ...quiet, ...withPostgres, name: 'faults', include: FAULTS } },
    ],
  },
})
