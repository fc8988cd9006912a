import ts from 'typescript'

/** A test that a page names as what holds a promise: `[name](../test/file.test.ts): "a part of its title"`. */
export interface Citation {
  /** Of the repository, for example test/integration/http/http-limits.test.ts. */
  readonly file: string
  /** A part of the title as it stands in the file, so it may hold `%s`. */
  readonly title: string
}

/** What became of a test in a run. */
export interface TestOutcome {
  readonly file: string
  /** Its suites' titles and its own, as they are reported. */
  readonly titles: readonly string[]
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending'
  /** What it was skipped with. */
  readonly note?: string | undefined
}

const QUOTED = /"([^"]+)"/g
const CITED = /\]\((?:\.\.\/)?(test\/[^)]+\.test\.ts)\):((?:[\s,;]+"[^"]+")+)/g

/** The tests that a page cites, in order. Titles may go over several lines. */
export function citationsIn(markdown: string): Citation[] {
  return [...markdown.matchAll(CITED)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(QUOTED)].map(([, title = '']) => ({ file, title: title.replaceAll(/\s+/g, ' ') })),
  )
}

/**
 * Judges citations by a whole run.
 * @returns what is wrong, a line each: no such test ran, one failed, or one was skipped without a reason
 */
export function findUnheld(citations: readonly Citation[], outcomes: readonly TestOutcome[]): string[] {
  return citations.flatMap(({ file, title }) => {
    const pattern = patternOf(title)
    const cited = outcomes.filter(
      (outcome) => outcome.file === file && outcome.titles.some((text) => pattern.test(text)),
    )
    const name = `${file}: "${title}"`
    if (cited.length === 0) return [`${name} did not run: there is no such test.`]
    const broken = cited.filter(({ state }) => state !== 'passed' && state !== 'skipped')
    if (broken.length > 0) return [`${name} did not pass.`]
    const silent = cited.filter((outcome) => outcome.state === 'skipped' && reasonOf(outcome) === undefined)
    return silent.length > 0
      ? [`${name} was skipped without a reason: say in its title or in skip() what it needs.`]
      : []
  })
}

/** Those that were skipped, with the reason: where a promise was not tried. */
export function findSkipped(citations: readonly Citation[], outcomes: readonly TestOutcome[]): string[] {
  return citations.flatMap(({ file, title }) => {
    const pattern = patternOf(title)
    return outcomes
      .filter((outcome) => outcome.file === file && outcome.state === 'skipped')
      .filter(({ titles }) => titles.some((text) => pattern.test(text)))
      .flatMap((outcome) => reasonOf(outcome) ?? [])
      .map((reason) => `${file}: "${title}": ${reason}`)
  })
}

function reasonOf({ note, titles }: TestOutcome): string | undefined {
  return note ?? titles.map((text) => /needs [^)]+/.exec(text)?.[0]).find((reason) => reason !== undefined)
}

/** vitest fills `%s` and the like from the test's values. */
function patternOf(title: string): RegExp {
  const parts = title.split(/%[sdifjo]|\$\w+/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(parts.join('.*'), 's')
}

/**
 * The titles of a file's tests and suites, as they stand in it, without those that are marked skip or todo. Of a title
 * that is made of parts (`... ${COUNT} ...`), the parts of text.
 */
export function titlesIn(source: string): string[] {
  const titles: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isTestCall(node.expression)) titles.push(...textsOf(node.arguments[0]))
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('test.ts', source, ts.ScriptTarget.Latest))
  return titles
}

/** `it(...)`, `it.each(...)(...)`, `describe.runIf(...)(...)`, and the like. */
function isTestCall(callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return ['it', 'test', 'describe'].includes(callee.text)
  if (ts.isCallExpression(callee)) return isTestCall(callee.expression)
  return (
    ts.isPropertyAccessExpression(callee) &&
    !['skip', 'todo'].includes(callee.name.text) &&
    isTestCall(callee.expression)
  )
}

function textsOf(title: ts.Expression | undefined): string[] {
  if (title === undefined) return []
  if (ts.isStringLiteralLike(title)) return [title.text]
  if (!ts.isTemplateExpression(title)) return []
  return [title.head.text, ...title.templateSpans.map(({ literal }) => literal.text)]
}
