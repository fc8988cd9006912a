/** An environment variable that looks like a misspelt setting. */
export interface Misspelling {
  /** Its name in the environment. */
  readonly variable: string
  /** The settings that it could be meant for. */
  readonly meant: readonly string[]
}

/** Names that other programs set, and names of ours that are no settings of the server. */
const FOREIGN = /^(npm_|WAYMARK_FAULTS$|WAYMARK_URL$|TEST_DATABASE_URL$|DIRECT_URL$)/
/** Kubernetes sets such values for a service called "waymark". */
const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//
const UNITS = ['MS', 'SECONDS', 'SECS', 'SEC', 'S', 'MINUTES', 'MINS', 'MIN', 'HOURS', 'H', 'DAYS', 'D']

/**
 * Finds variables that have no effect because their name is not quite that of a setting. It reports names that differ
 * from a setting's by case or separators (database-url), a few letters (DATABSE_URL), the prefix WAYMARK_
 * (WAYMARK_PORT), DB for DATABASE, the unit (FEED_RETENTION_DAYS), or words left out at either end (POOL_SIZE,
 * DRAIN_TIMEOUT). For a setting of one short word it reports only two letters that changed places: SORT and POST are
 * words, PROT is not.
 * @param env the environment; empty values count as not set
 * @param settings the names of all settings
 */
export function findMisspelt(
  env: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): Misspelling[] {
  return Object.entries(env).flatMap(([variable, text]) => {
    if (!text || settings.includes(variable) || FOREIGN.test(variable) || SERVICE_ADDRESS.test(text)) return []
    const meant = settingsLike(variable, settings)
    return meant.length > 0 ? [{ variable, meant }] : []
  })
}

function settingsLike(variable: string, settings: readonly string[]): readonly string[] {
  const name = variable
    .toUpperCase()
    .replaceAll(/[-.]+/g, '_')
    .replace(/^WAYMARK_/, '')
    .replace(/^DB_/, 'DATABASE_')
  if (settings.includes(name)) return [name]
  const near = settings
    // Each edit changes the length by one at most. This leaves few names to compare letter by letter.
    .filter((setting) => Math.abs(name.length - setting.length) <= mostEdits(setting))
    .map((setting) => ({ setting, distance: editDistance(name, setting) }))
    .filter(({ setting, distance }) => distance <= mostEdits(setting) && (setting.length > 5 || isSwap(name, setting)))
    .sort((a, b) => a.distance - b.distance)
  const [nearest] = near
  if (nearest) return [nearest.setting]
  const words = withoutUnit(name)
  // One word alone (URL, HOST, RETENTION) can belong to any program.
  if (!words.includes('_')) return []
  return settings.filter((setting) => {
    const full = withoutUnit(setting)
    return full === words || full.startsWith(`${words}_`) || full.endsWith(`_${words}`)
  })
}

/**
 * How many edits count as a misspelling. Three would take OTEL_EXPORTER_OTLP_METRICS_ENDPOINT for the one of traces.
 */
function mostEdits(setting: string): number {
  return setting.length < 12 ? 1 : 2
}

function isSwap(name: string, setting: string): boolean {
  return name.length === setting.length && Array.from(name).sort().join() === Array.from(setting).sort().join()
}

function withoutUnit(name: string): string {
  const [last = '', ...rest] = name.split('_').reverse()
  return UNITS.includes(last) ? rest.reverse().join('_') : name
}

/**
 * Optimal string alignment: a letter left out, put in or replaced counts one, and so do neighbours that changed places.
 */
function editDistance(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, place) => place)]
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        (row[j - 1] ?? 0) + 1,
        (last[j] ?? 0) + 1,
        replaced,
        swapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      )
    }
    ;[before, last] = [last, row]
  }
  return last[b.length] ?? 0
}
