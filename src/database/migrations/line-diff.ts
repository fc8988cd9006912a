const CONTEXT_LINES = 3

/**
 * The lines that differ between two texts, in the form of `diff -u`: "-" only in the first, "+" only in the second, and
 * three lines around each. For texts of some hundred lines: the time grows with the product of their lengths.
 */
export function lineDiff(before: string, after: string): string[] {
  const lines = markedLines(before.split('\n'), after.split('\n'))
  const isNear = lines.map((_, place) =>
    lines.slice(Math.max(0, place - CONTEXT_LINES), place + CONTEXT_LINES + 1).some((line) => !line.startsWith(' ')),
  )
  return lines.flatMap((line, place) => {
    if (isNear[place]) return [line]
    return isNear[place - 1] ? [' ...'] : []
  })
}

function markedLines(before: readonly string[], after: readonly string[]): string[] {
  // longest[i][j]: how many lines before[i..] and after[j..] have in common, in the same order.
  const longest = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  const at = (i: number, j: number) => longest[i]?.[j] ?? 0
  for (let i = before.length - 1; i >= 0; i -= 1) {
    const row = longest[i]
    for (let j = after.length - 1; row && j >= 0; j -= 1) {
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const marked: string[] = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      marked.push(` ${before[i] ?? ''}`)
      i += 1
      j += 1
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) {
      marked.push(`-${before[i] ?? ''}`)
      i += 1
    } else {
      marked.push(`+${after[j] ?? ''}`)
      j += 1
    }
  }
  return marked
}
