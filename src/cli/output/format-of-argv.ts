import type { Format } from './render.ts'

/** `-ojson`, `-o=json`, `--output=json`. */
const joined = /^(?:--output=|-o=?)(.+)$/

/** The format asked for, known also when the command line cannot be parsed. */
export function formatOfArgv(argv: readonly string[]): Format {
  const index = argv.findIndex((word) => word === '-o' || word === '--output')
  const value =
    index >= 0 ? argv[index + 1] : argv.map((word) => joined.exec(word)?.[1]).find(Boolean)
  return argv.includes('--json') || value === 'json' || value === 'jsonl' ? 'json' : 'table'
}

/** Whether the log level `debug` is asked for, known as early. */
export const asksForDebug = (argv: readonly string[]): boolean =>
  argv.some((word) => /^(--log-level=)?debug$/.test(word))
