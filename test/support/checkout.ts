import { chmod, cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** What belongs to whoever works in this checkout: their history, data, settings, packages. */
const PRIVATE = ['.git', '.data', '.env', 'node_modules', 'coverage']

/** A folder that disposing removes. */
export interface Checkout extends AsyncDisposable {
  readonly folder: string
}

/** A copy of this checkout in a temporary folder, built as this one is. Its packages are a link to those here, so that nothing is installed. */
export async function copyCheckout(): Promise<Checkout> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-checkout-'))
  // Where root runs the tests the postgres user has to pass it.
  await chmod(folder, 0o755)
  for (const name of await readdir(root)) {
    if (!PRIVATE.includes(basename(name))) await cp(join(root, name), join(folder, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 10 }) }
}
