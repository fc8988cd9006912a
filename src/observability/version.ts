import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** Of the package, which lies above this file both in a checkout and in what is built of it. */
export const version = manifest.version
