import { pino } from 'pino'
import { beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../../../src/app.ts'
import { readConfig } from '../../../src/config.ts'
import { familiesIn, parseMetrics } from '../../support/metrics.ts'
import { clientOf, startOn } from '../../support/waymark.ts'
import { createTestDatabase } from '../../support/database.ts'
import { readDocument, sectionOf } from './markdown.ts'

const guide = await readDocument('docs/operations.md')
const rules = await readDocument('docs/operations/alerts.yml')
const dashboard = JSON.parse(await readDocument('docs/operations/grafana-dashboard.json')) as Dashboard

interface Dashboard {
  readonly panels: readonly {
    readonly title: string
    readonly type: string
    readonly targets?: readonly { readonly expr: string }[]
  }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] }
}

const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
/** As text, with what the queries of variables name too. */
const dashboardText = [...expressions, JSON.stringify(dashboard.templating)].join('\n')

/** Names of metrics of ours, of Node's and of the process; where a histogram's series is named, the histogram's. */
function metricsNamedIn(text: string, families: ReadonlySet<string>): string[] {
  const names = [...text.matchAll(/\b(?:waymark|nodejs|process)_[a-z0-9_]+\b/g)].map(([name]) => name)
  return [
    ...new Set(names.map((name) => (families.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')))),
  ].sort()
}

/** What a server answers that nothing has been asked of yet. */
let text: string
let families: ReadonlySet<string>
beforeAll(async () => {
  await using database = await createTestDatabase()
  const app = await startOn(database.url, { METRICS_PORT: '0' })
  try {
    text = await (await fetch(app.metricsUrl ?? '')).text()
    families = familiesIn(text)
  } finally {
    await app.close()
  }
})

describe('docs/operations.md', () => {
  it('names every metric that there is, and none that there isn’t', () => {
    expect(metricsNamedIn(sectionOf(guide, 'Metrics'), families)).toEqual([...families].sort())
  })

  it('gives each of ours its type and its labels', () => {
    // - `waymark_streams` (gauge; `transport`): ...
    const entries = sectionOf(guide, 'Metrics').matchAll(/^- `(waymark_\w+)` \((\w+)(?:; ([^)]+))?\):/gm)
    const told = [...entries].map(([, name = '', type, labels = '']) => {
      return { name, type, labels: labels.replaceAll('`', '').split(/,\s*/).sort() }
    })
    const ours = [...families].filter((name) => name.startsWith('waymark_'))
    expect(told.map(({ name }) => name).sort()).toEqual(ours.sort())
    const series = [...parseMetrics(text).keys()]
    const real = told.map(({ name }) => {
      const one = series.find((candidate) => new RegExp(`^${name}(_bucket)?(\\{|$)`).test(candidate)) ?? ''
      const labels = [...one.matchAll(/(\w+)="/g)].map(([, label = '']) => label).filter((label) => label !== 'le')
      const type = new RegExp(`^# TYPE ${name} (\\w+)$`, 'm').exec(text)?.[1]
      return { name, type, labels: labels.length > 0 ? labels.sort() : [''] }
    })
    expect(told).toEqual(real)
  })

  it('names each outcome', () => {
    const outcomes = new Set([...text.matchAll(/^waymark_requests_total\{.*outcome="(\w+)"/gm)].map(([, name]) => name))
    for (const outcome of outcomes) expect(sectionOf(guide, 'Metrics')).toContain(`\`${outcome ?? ''}\``)
  })
})

describe('the log, as docs/operations.md describes it,', () => {
  it('says ok, or every code of the answer', async () => {
    const lines: { msg: string; outcome: string }[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line) as (typeof lines)[0]) })
    await using database = await createTestDatabase()
    const app = await startApp(readConfig({ PORT: '0', DATABASE_URL: database.url }), log)
    try {
      await clientOf(app.url).send('{ viewer { subject } }')
      await clientOf(app.url).send('{ nope }')
    } finally {
      await app.close()
    }
    const outcomes = lines.filter(({ msg }) => msg === 'request').map(({ outcome }) => outcome)
    expect(outcomes).toEqual(['ok', 'BAD_USER_INPUT'])
    expect(sectionOf(guide, 'The log').replaceAll(/\s+/g, ' ')).toContain(
      'The outcome is `ok`, `client left`, or every code',
    )
  })
})

describe('what is made of the metrics', () => {
  it('alerts by metrics that there are, each with a severity, a summary and what to do', () => {
    const alerts = rules.split(/^ +- alert: /m).slice(1)
    expect(alerts.length).toBeGreaterThan(10)
    for (const alert of alerts) {
      expect(alert).toMatch(/severity: (critical|warning)/)
      expect(alert).toMatch(/summary: \S/)
      expect(alert).toMatch(/description: \S/)
    }
    for (const name of metricsNamedIn(rules, families)) expect(families, name).toContain(name)
  })

  it('draws panels of metrics that there are', () => {
    expect(expressions.length).toBeGreaterThan(20)
    for (const name of metricsNamedIn(dashboardText, families)) expect(families, name).toContain(name)
    for (const { title, type, targets } of dashboard.panels) {
      if (type !== 'row') expect(targets?.length, title).toBeGreaterThan(0)
    }
  })

  it('asks for labels’ values that there are', () => {
    const asked = [
      ...`${rules}\n${dashboardText}`.matchAll(/\b(outcome|type|state|transport|queue|task)[!=]=?~?"([^"]+)"/g),
    ]
    expect(asked.length).toBeGreaterThan(5)
    const labels = valuesByLabel(text)
    for (const [, label = '', values = ''] of asked) {
      for (const value of values.split('|')) expect(labels.get(label), `${label} ${value}`).toContain(value)
    }
  })
})

function valuesByLabel(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const [, label = '', value = ''] of text.matchAll(/(\w+)="([^"]*)"/g)) {
    found.set(label, (found.get(label) ?? new Set()).add(value))
  }
  return found
}
