import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** The version of the package. package.json is at the same place relative to this file in a checkout and in a build. */
export const version = manifest.version
