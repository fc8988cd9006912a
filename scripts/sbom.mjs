// Prints what the server is made of, as CycloneDX JSON: node scripts/sbom.mjs [--omit=optional] > sbom.cdx.json
// Only what package-lock.json has for production, and without a network. --omit=optional leaves out the embedded PostgreSQL.
//
// `npm sbom --omit=dev` alone leaves out too much: whatever any package names as a development or optional peer dependency, also where
// the server needs it itself (npm 11.19: graphql, ws and 16 more). So npm is shown a lock that has nothing else.
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
  // npm takes the product's name from its folder.
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
