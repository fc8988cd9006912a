// The servers that are compared, and how each is started.
import { spawnSync } from 'node:child_process'
import { here, run, startServer } from './processes.mjs'

export const WAYMARK = 'Waymark'
export const PYTHON = 'FastAPI, SQLAlchemy, asyncpg'
export const REFERENCE = 'Mercurius, JIT, pg'

/**
 * The servers. `works`: the works that a server supports; default: all. `share`: the share of the requests that a slow
 * server gets. `processes`: the number of replicas, among which the connections are divided.
 */
export const candidates = [
  { name: WAYMARK, start: startWaymark },
  { name: REFERENCE, start: peer('mercurius'), works: ['checkpoint', 'session', 'sessions', 'save', 'save-256'] },
  { name: 'PostGraphile 5', start: peer('postgraphile'), share: 0.2, works: ['checkpoint', 'session', 'sessions'] },
  {
    name: 'Apollo Server 5, Prisma',
    start: peer('apollo'),
    share: 0.2,
    works: ['checkpoint', 'session', 'sessions', 'save', 'save-256'],
  },
  // Only if Debian's packages for it are installed (see the file).
  ...(hasPython()
    ? [
        {
          name: PYTHON,
          start: ({ databaseUrl }) =>
            startServer([here('servers/ancestor.py')], { DATABASE_URL: databaseUrl }, '/usr/bin/python3'),
          share: 0.1,
          works: ['checkpoint', 'session', 'sessions', 'save', 'save-256'],
        },
      ]
    : []),
]
export const replicated = [
  { name: `${WAYMARK}, two processes`, start: startWaymark, processes: 2 },
  {
    name: `${REFERENCE}, two processes`,
    start: peer('mercurius'),
    processes: 2,
    works: ['checkpoint', 'session', 'sessions', 'save', 'save-256'],
  },
]

/**
 * Starts Waymark with an API key, its log and its limits, as in production. Only the rate limit is raised, since one
 * caller sends everything.
 */
export function startWaymark({ databaseUrl, nodeFlags, settings }) {
  return startServer([...nodeFlags, here('../dist/main.js'), 'serve'], {
    DATABASE_URL: databaseUrl,
    AUTHENTICATION: 'keys',
    RATE_LIMIT_POINTS_PER_MINUTE: '1000000000',
    ...settings,
  })
}

function peer(file) {
  return ({ databaseUrl }) => startServer([here(`servers/${file}.mjs`)], { DATABASE_URL: databaseUrl })
}

export const startBare = () => startServer([here('servers/bare.mjs')], {})

/** @returns the text of a new key */
export async function createKey(databaseUrl, scopes = 'read,crawl') {
  const args = [here('../dist/main.js'), 'key', 'create', 'bench', '--scopes', scopes]
  return (await run(process.execPath, args, { DATABASE_URL: databaseUrl })).trim().split('\n').at(-1)
}

function hasPython() {
  return spawnSync('/usr/bin/python3', ['-c', 'import fastapi, uvicorn, sqlalchemy, asyncpg']).status === 0
}
