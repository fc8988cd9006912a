import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What a test that needs a browser says where there is none. */
export const needsChromium = 'needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/one'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const MACOS = ['Chromium', 'Google Chrome'].map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`)

/** The browser to drive: CHROMIUM where it is set, else the first one in PATH, else where macOS has it. */
export function findChromium(): string | undefined {
  const named = process.env['CHROMIUM']
  if (named) return named
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return [...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))), ...MACOS].find(mayRun)
}

function mayRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
