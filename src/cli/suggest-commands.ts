/** Commands whose name is close to what was typed, nearest first, at most three. */
export function suggestCommands(typed: string, commandIds: readonly string[]): string[] {
  const limit = Math.max(2, Math.floor(typed.length / 3))
  return commandIds
    .map((id) => ({
      name: id.replaceAll(':', ' '),
      distance: editDistance(typed, id.replaceAll(':', ' ')),
    }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name)
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
