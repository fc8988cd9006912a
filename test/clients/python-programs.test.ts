import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksNamed, readDocument } from '../integration/docs/markdown.ts'
import { passesTests, programTests, python, pythonMissing, type PythonWorld, startPythonWorld } from './python-world.ts'

describe.skipIf(!python)(`programs with the Python client${pythonMissing}`, () => {
  let world: PythonWorld
  beforeAll(async () => {
    world = await startPythonWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  passesTests(programTests, () => world)
})

it('examples/README.md shows the Python examples in the block that test_examples.py runs', async () => {
  expect(programTests).toContain('test_examples.py')
  expect(blocksNamed(await readDocument('examples/README.md'), 'sh', 'python')).toHaveLength(1)
})
