// Prints the server's dependencies as CycloneDX JSON: node scripts/sbom.mjs [--omit=optional] > sbom.cdx.json
// It lists only the production dependencies of package-lock.json, and needs no network. --omit=optional leaves out the
// embedded PostgreSQL.
//
// `npm sbom --omit=dev` alone leaves out too much: everything that any package names as a development or optional peer
// dependency, even if the server needs it (npm 11.19: graphql, ws and 16 more). So npm gets a lock file without the
// rest.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const omitsOptional = process.argv.includes('--omit=optional')
const manifest = readJson('package.json')
const lock = readJson('package-lock.json')

const isDelivered = ({ dev, devOptional, optional }) => !dev && !devOptional && !(optional && omitsOptional)
const packages = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && isDelivered(entry))
const { devDependencies: _, ...root } = lock.packages['']
delete manifest.devDependencies

const folder = mkdtempSync(join(tmpdir(), 'waymark-sbom-'))
try {
  // npm takes the product's name from the name of its folder.
  const product = join(folder, manifest.name)
  mkdirSync(product)
  writeJson(join(product, 'package.json'), manifest)
  writeJson(join(product, 'package-lock.json'), { ...lock, packages: { '': root, ...Object.fromEntries(packages) } })
  const { status, error } = spawnSync(
    'npm',
    ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application', '--offline'],
    { cwd: product, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' },
  )
  if (error) throw error
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function writeJson(path, value) {
  writeFileSync(path, JSON.stringify(value))
}
