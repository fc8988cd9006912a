import { expect } from 'vitest'

/** What a scrape answered: each series (`name{label="..."}`) with its value. */
export type Scraped = ReadonlyMap<string, number>

/** Reads the Prometheus text format as strictly as we write it: one line a sample, no timestamps. */
export function parseMetrics(text: string): Scraped {
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))] as const
    }),
  )
}

export async function scrape(url: string): Promise<Scraped> {
  const response = await fetch(url)
  expect(response.status).toBe(200)
  return parseMetrics(await response.text())
}

/** Metric families by name, without the suffixes that a histogram's series have. */
export function familiesIn(text: string): Set<string> {
  return new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name))
}
