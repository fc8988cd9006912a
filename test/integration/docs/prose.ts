import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { root } from './markdown.ts'

/** The most columns of a line of prose or of a comment. */
export const MOST_COLUMNS = 120

/** Files of the checkout whose name ends so, without what is installed or generated. Paths from the root. */
export async function filesEndingIn(ending: string, folder = ''): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory() && !/^(\..*|node_modules|dist|coverage|generated)$/.test(entry.name)) {
      found.push(...(await filesEndingIn(ending, path)))
    }
    if (entry.isFile() && entry.name.endsWith(ending)) found.push(path)
  }
  return found.sort()
}

/** Lines of prose and of tables that are too long. Code blocks are left out, and lines that cannot be broken: addresses. */
export function longLinesOf(markdown: string): string[] {
  let fence: string | undefined
  return markdown.split('\n').filter((line) => {
    const [, mark] = /^\s*(```+|~~~+)/.exec(line) ?? []
    if (mark !== undefined && (fence === undefined || line.trim() === fence)) {
      fence = fence === undefined ? mark : undefined
      return false
    }
    const text = line.replace(/^\s*(?:[-*] |\d+\. |\[[^\]]+\]: )?/, '')
    return fence === undefined && line.length > MOST_COLUMNS && text.includes(' ')
  })
}

/** Lines of a TypeScript file that are too long and hold a comment; a lone address is left out. */
export function longCommentsOf(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false)
  const lines = text.split('\n')
  const commented = new Set<number>()
  const note = (from: number, to: number) => {
    const last = source.getLineAndCharacterOfPosition(to).line
    for (let { line } = source.getLineAndCharacterOfPosition(from); line <= last; line += 1) commented.add(line)
  }
  const visit = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.pos) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.end) ?? []),
    ]
    for (const { pos, end } of ranges) note(pos, end)
    node.getChildren(source).forEach(visit)
  }
  visit(source)
  return lines.filter((line, at) => {
    const words = line.replace(/^\s*(?:\/\/|\/?\*+)?\s*/, '')
    return line.length > MOST_COLUMNS && commented.has(at) && words.includes(' ')
  })
}
