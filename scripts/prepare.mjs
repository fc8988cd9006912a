// Makes a checkout ready to run: installs, generates and builds what is missing or out of date. Plain JavaScript
// without dependencies, because a fresh clone has none.
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pause, root, run, tsc } from './children.mjs'

const LOCK_LOOK_MS = 200

/**
 * Each step stores in its stamp file what its result was made from. A clean-up that deletes the result deletes the
 * stamp too.
 */
const steps = [
  {
    stamp: 'node_modules/.waymark-installed',
    inputs: () => ['package-lock.json'],
    // npm ci would empty the folder that the link points to, which belongs to another checkout.
    isOthers: () => lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false,
    run(onStart) {
      process.stderr.write('waymark: installing dependencies (once)\n')
      return run('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], { onStart })
    },
  },
  {
    stamp: 'src/database/generated/.waymark-generated',
    inputs: () => ['package-lock.json', 'prisma/schema.prisma'],
    outputs: ['src/graphql/generated/pothos-types.ts'],
    run(onStart) {
      // Any existing file keeps Prisma from downloading its schema engine, which generate does not need.
      const env = {
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        CHECKPOINT_DISABLE: '1',
      }
      return run('prisma', ['generate', '--schema', 'prisma/schema.prisma', '--no-hints'], { env, onStart })
    },
  },
  {
    stamp: 'dist/.waymark-built',
    inputs: () => ['package-lock.json', 'prisma/schema.prisma', 'scripts/bundle.mjs', ...sourcesBelow('src')],
    run(onStart) {
      process.stderr.write('waymark: building\n')
      rmSync(join(root, 'dist'), { recursive: true, force: true })
      return run(process.execPath, [join(root, 'scripts/bundle.mjs')], { onStart })
    },
  },
  {
    stamp: 'clients/typescript/dist/.waymark-built',
    inputs: () => [
      'clients/typescript/tsconfig.json',
      'clients/typescript/src/generated/documents.ts',
      ...sourcesBelow('clients/typescript/src'),
    ],
    // An image and the package of the server have no client.
    isOthers: () => !existsSync(join(root, 'clients/typescript/src')),
    run(onStart) {
      rmSync(join(root, 'clients/typescript/dist'), { recursive: true, force: true })
      const [program, ...args] = tsc
      return run(program, [...args, '-p', 'clients/typescript/tsconfig.json'], { onStart })
    },
  },
]

/**
 * Makes the checkout ready to run. If it is ready, this takes some milliseconds. Ends the process if a step fails, and
 * ends the step if the process is told to end.
 */
export async function prepare() {
  if (steps.every(isDone)) return
  await exclusively(async (onStart) => {
    for (const step of steps) {
      if (isDone(step)) continue
      const content = contentOf(step)
      await step.run(onStart)
      const stamp = join(root, step.stamp)
      mkdirSync(dirname(stamp), { recursive: true })
      writeFileSync(stamp, content)
    }
  })
}

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
 * Lets one process at a time change node_modules and dist. Others wait, and then find everything done. A lock is taken
 * over when its process has ended and so has the program that it ran, which outlives a kill -9 of its parent.
 */
async function exclusively(change) {
  const lock = join(tmpdir(), `waymark-prepare-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`)
  for (let looks = 0; !tryLock(lock); looks += 1) {
    if (looks === 1)
      process.stderr.write(`waymark: another process installs or builds this checkout (${lock}): waiting\n`)
    await pause(LOCK_LOOK_MS)
  }
  try {
    await change((program) => writeFileSync(lock, `${process.pid} ${program}`))
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
    // Process IDs, and process groups as negative numbers. 0 for an empty file: its owner has just created it.
    const owners = readFileSync(lock, 'utf8').split(' ').map(Number)
    if (owners.every((owner) => owner !== 0 && isGone(owner))) rmSync(lock, { force: true })
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  return false
}

function isGone(owner) {
  try {
    return !process.kill(owner, 0)
  } catch (error) {
    return error.code === 'ESRCH'
  }
}
