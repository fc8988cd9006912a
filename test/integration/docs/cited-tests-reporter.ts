import { relative } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'
import { citationsIn, findSkipped, findUnheld, type TestOutcome } from './cited-tests.ts'
import { readDocument, root } from './markdown.ts'

/**
 * Fails a whole run if a test that docs/guarantees.md cites did not run and pass. scripts/test.mjs adds it if all tests
 * run; a run of some files cannot know.
 */
export default class CitedTestsReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const citations = citationsIn(await readDocument('docs/guarantees.md'))
    const outcomes = modules.flatMap(outcomesOf)
    for (const line of findSkipped(citations, outcomes)) process.stdout.write(`Not tried here: ${line}\n`)
    const unheld = findUnheld(citations, outcomes)
    for (const line of unheld) process.stderr.write(`docs/guarantees.md cites a test that holds nothing: ${line}\n`)
    if (unheld.length > 0) process.exitCode = 1
  }
}

function outcomesOf(module: TestModule): TestOutcome[] {
  const file = relative(root, module.moduleId)
  return [...module.children.allTests()].map((test) => {
    const titles = [test.name]
    for (let { parent } = test; parent.type === 'suite'; { parent } = parent) titles.unshift(parent.name)
    const result = test.result()
    return { file, titles, state: result.state, note: 'note' in result ? result.note : undefined }
  })
}
