/** One instruction: COPY, RUN, ... with its options and arguments as one line. */
export interface Instruction {
  readonly keyword: string
  readonly text: string
}

export interface Stage {
  readonly name: string | undefined
  readonly image: string
  readonly instructions: readonly Instruction[]
}

/** Reads the part of Dockerfile syntax that ours uses: no heredocs, no escape directive. */
export function parseDockerfile(source: string): {
  readonly args: readonly string[]
  readonly stages: readonly Stage[]
} {
  const lines = source
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const args: string[] = []
  const stages: { name: string | undefined; image: string; instructions: Instruction[] }[] = []
  for (const line of lines) {
    const [, keyword = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    const stage = stages.at(-1)
    if (keyword === 'FROM') {
      const [, image = '', name] = /^(\S+)(?: AS (\S+))?$/.exec(text) ?? []
      stages.push({ name, image, instructions: [] })
    } else if (stage) stage.instructions.push({ keyword, text })
    else if (keyword === 'ARG') args.push(text)
    else throw new Error(`what is this before the first FROM: ${line}`)
  }
  return { args, stages }
}

export function textsOf(stage: Stage, keyword: string): string[] {
  return stage.instructions.filter((instruction) => instruction.keyword === keyword).map(({ text }) => text)
}

/** What a COPY takes from the build context, or from another stage, and where it puts it. */
export interface Copy {
  readonly from: string | undefined
  readonly sources: readonly string[]
  readonly target: string
}

export function copiesOf(stage: Stage): Copy[] {
  return textsOf(stage, 'COPY').map((text) => {
    const words = text.split(/\s+/)
    const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1]
    const paths = words.filter((word) => !word.startsWith('--'))
    return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' }
  })
}

/** Whether .dockerignore keeps a path out of the build context: the last pattern that matches it or a folder above it decides. */
export function isIgnored(dockerignore: string, path: string): boolean {
  const patterns = dockerignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const folders = path.split('/').map((_, index, names) => names.slice(0, index + 1).join('/'))
  return patterns.reduce((ignored, pattern) => {
    const negated = pattern.startsWith('!')
    const expression = (negated ? pattern.slice(1) : pattern)
      .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:.*/)?'))
    return folders.some((folder) => new RegExp(`^${expression}$`).test(folder)) ? !negated : ignored
  }, false)
}
