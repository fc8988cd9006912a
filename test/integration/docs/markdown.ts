import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The checkout's root. */
export const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

export function readDocument(path: string): Promise<string> {
  return readFile(`${root}/${path}`, 'utf8')
}

/** A fenced code block: ```<language> <name> skip="<why no test runs it>". Name and skip may be missing. */
export interface CodeBlock {
  readonly language: string
  readonly name: string
  readonly skip: string | undefined
  readonly text: string
}

export function codeBlocks(markdown: string): CodeBlock[] {
  const pattern = /^```(\w+)(?: ([\w.-]+)(?!=))?(?: skip="([^"]+)")?\n([\s\S]*?)\n```$/gm
  return [...markdown.matchAll(pattern)].map(([, language = '', name = '', skip, text = '']) => {
    return { language, name, skip, text }
  })
}

/** The texts of a document's blocks of a language and name. @throws Error where it has none */
export function blocksNamed(markdown: string, language: string, name: string): string[] {
  const found = codeBlocks(markdown).filter((block) => block.language === language && block.name === name)
  if (found.length === 0) throw new Error(`there is no block "${language} ${name}"`)
  return found.map(({ text }) => text)
}

/** What stands below a heading of the second level, with the heading. */
export function sectionOf(markdown: string, heading: string): string {
  const section = markdown.split(/^## /m).find((text) => text.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`there is no heading "${heading}"`)
  return section
}

/** The cells of each row of the table below a heading, without the head. */
export function tableRows(markdown: string, heading: string): string[][] {
  const rows = sectionOf(markdown, heading)
    .split('\n')
    .filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** What a quoted message matches, from beginning to end: `<...>` in it stands for any text. */
export function patternOf(message: string): RegExp {
  const parts = message.split(/<[^<>]+>/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.+')}$`)
}
