// Brings a checkout to where it can run: installs, generates and builds what is missing or was made from other sources.
// Plain JavaScript without dependencies, because on a fresh clone there are none yet.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Each remembers in its stamp file what it was made from; the stamps lie where a clean-up takes them along. */
const steps = [
  {
    stamp: 'node_modules/.waymark-installed',
    inputs: () => ['package-lock.json'],
    // A link leads to somebody else's: npm ci would empty that folder.
    isOthers: () => lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false,
    run() {
      process.stderr.write('waymark: installing dependencies (once)\n')
      run('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'])
    },
  },
  {
    stamp: 'src/database/generated/.waymark-generated',
    inputs: () => ['package-lock.json', 'prisma/schema.prisma'],
    outputs: ['src/graphql/generated/pothos-types.ts'],
    run() {
      // Any file that exists keeps Prisma from downloading its schema engine, which generate does not need.
      run('prisma', ['generate', '--schema', 'prisma/schema.prisma', '--no-hints'], {
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        CHECKPOINT_DISABLE: '1',
      })
    },
  },
  {
    stamp: 'dist/.waymark-built',
    inputs: () => [
      'package-lock.json',
      'prisma/schema.prisma',
      'tsconfig.json',
      'tsconfig.build.json',
      ...sourcesBelow('src'),
    ],
    run() {
      process.stderr.write('waymark: building\n')
      rmSync(join(root, 'dist'), { recursive: true, force: true })
      run('tsc', ['-p', 'tsconfig.build.json'])
    },
  },
]

/** Makes the checkout ready to run. Where it is, that takes some milliseconds. Exits the process where a step fails. */
export function prepare() {
  if (steps.every(isDone)) return
  exclusively(() => {
    for (const step of steps) {
      if (isDone(step)) continue
      const content = contentOf(step)
      step.run()
      const stamp = join(root, step.stamp)
      mkdirSync(dirname(stamp), { recursive: true })
      writeFileSync(stamp, content)
    }
  })
}

/** Runs a program of node_modules or of the machine, its output on stderr; exits the process where it fails. */
export function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], env: environment(env) })
  if (result.status === 0) return
  tellFailure([command, ...args], result.error)
  // Not process.exit: the lock has to be let go on the way out.
  throw new StepFailed()
}

/** The same of several at once, which share the machine's cores; waits for all of them, so that all that is wrong is told. */
export async function runTogether(commands) {
  const succeeded = await Promise.all(
    commands.map(async ([command, ...args]) => {
      const child = spawn(command, args, { cwd: root, stdio: ['ignore', 2, 2], env: environment() })
      const [error, status] = await new Promise((resolve) => {
        child.once('error', (reason) => resolve([reason]))
        child.once('close', (code) => resolve([undefined, code]))
      })
      if (status !== 0) tellFailure([command, ...args], error)
      return status === 0
    }),
  )
  if (!succeeded.every(Boolean)) throw new StepFailed()
}

function environment(env = {}) {
  const binaries = join(root, 'node_modules', '.bin')
  return { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}`, ...env }
}

function tellFailure(command, error) {
  process.stderr.write(`waymark: "${command.join(' ')}" failed: ${error ? error.message : 'see above'}\n`)
}

class StepFailed extends Error {}
process.on('uncaughtException', (error) => {
  if (!(error instanceof StepFailed)) console.error(error)
  process.exit(1)
})

function isDone(step) {
  if (step.isOthers?.()) return true
  const stamp = join(root, step.stamp)
  if (!existsSync(stamp) || !(step.outputs ?? []).every((file) => existsSync(join(root, file)))) return false
  return readFileSync(stamp, 'utf8') === contentOf(step)
}

function contentOf(step) {
  const hash = createHash('sha256').update(process.version)
  for (const file of step.inputs())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  return hash.digest('hex')
}

function sourcesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
    .sort()
}

/**
 * Lets one process at a time change node_modules and dist; the others wait, and then find everything done.
 * A lock whose process is gone is taken over.
 */
function exclusively(change) {
  const lock = join(tmpdir(), `waymark-prepare-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`)
  while (!tryLock(lock)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  try {
    change()
  } finally {
    rmSync(lock, { force: true })
  }
}

function tryLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  try {
    // Empty for the moment between its making and its writing: then its owner lives.
    const owner = Number(readFileSync(lock, 'utf8'))
    if (owner > 0) process.kill(owner, 0)
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(lock, { force: true })
  }
  return false
}
