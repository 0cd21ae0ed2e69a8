import type { Format } from './render.ts'

/** The format asked for, known also when the command line cannot be parsed. */
export function formatOfArgv(argv: readonly string[]): Format {
  const index = argv.findIndex((word) => word === '-o' || word === '--output')
  const value =
    index >= 0 ? argv[index + 1] : argv.find((word) => word.startsWith('--output='))?.slice(9)
  return argv.includes('--json') || value === 'json' || value === 'jsonl' ? 'json' : 'table'
}
