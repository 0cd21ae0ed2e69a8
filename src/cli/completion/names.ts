import { type NameKind, nameCommands } from './spec.ts'

/**
 * The name in a line. What Kiln itself gives has no other characters; whatever else a server says does
 * not get to the shell, since bash expands the words that it completes: `$(…)` would be run.
 */
const name = '\\([a-z0-9_.-]*\\)'
const patterns: Readonly<Record<NameKind, string>> = {
  analyses: `^{"id":"[^"]*","name":"${name}".*`,
  jobs: `^${name}$`,
  schedules: `^{"id":"[^"]*","analysis_id":"[^"]*","analysis_name":"${name}".*`,
}

/**
 * Shell text that prints the names of a kind, one a line. Nothing is shown of an error, as when there
 * is no database; a schedule goes by the name of its analysis.
 */
export function namesPipeline(kind: NameKind): string {
  const call = `command kiln ${nameCommands[kind]} 2>/dev/null </dev/null`
  // Jobs stay in their order, newest first.
  const order = kind === 'jobs' ? '' : ' | sort -u'
  return `${call} | sed -n 's/${patterns[kind]}/\\1/p'${order}`
}
