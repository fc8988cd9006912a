import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Those that take half a minute and more, the longest first: one that began last would run alone at the end. */
const LONGEST = [
  'test/clients/python.test.ts',
  'test/clients/python-programs.test.ts',
  'test/e2e/crawl.test.ts',
  'test/e2e/npm-start.test.ts',
  'test/integration/http/same-answers.test.ts',
  'test/integration/docs/troubleshooting.test.ts',
  'test/integration/docs/dockerfile.test.ts',
  'test/integration/database/embedded.test.ts',
  'test/integration/events/reader.test.ts',
  'test/integration/access/transports.test.ts',
  'test/e2e/replicas.test.ts',
  'test/e2e/outage.test.ts',
  'test/integration/cli/serve.test.ts',
  'test/simulation/crawl-model.test.ts',
  'test/simulation/history.test.ts',
  'test/integration/graphql/indexes.test.ts',
  'test/integration/docs/command-blocks.test.ts',
  'test/integration/graphql/statements.test.ts',
  'test/integration/http/hostile-documents.test.ts',
  'test/integration/http/event-points.test.ts',
  'test/integration/access/reach.test.ts',
]

/** The longest first, then as vitest has it: those that failed last time, and the larger files. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(name))
      return place < 0 ? LONGEST.length : place
    }
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}
