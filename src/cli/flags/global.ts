import { Flags } from '@oclif/core'
import { formats } from '../output/render.ts'

/** Flags of every command. None has a default from the environment: oclif would print it in help. */
export const globalFlags = {
  json: Flags.boolean({
    description: 'print JSON (same as -o json)',
    helpGroup: 'GLOBAL',
    exclusive: ['output'],
  }),
  output: Flags.option({
    char: 'o',
    options: formats,
    default: 'table' as const,
    description: 'output format',
    helpValue: 'FORMAT',
    helpGroup: 'GLOBAL',
  })(),
  quiet: Flags.boolean({
    char: 'q',
    description: 'print nothing on success, unless a format is named',
    helpGroup: 'GLOBAL',
  }),
  'database-url': Flags.string({
    description: 'Postgres to use instead of DATABASE_URL',
    helpValue: 'URL',
    helpGroup: 'GLOBAL',
  }),
  'log-level': Flags.option({
    options: ['debug', 'info', 'warn', 'error', 'silent'] as const,
    description: 'least level that is logged to stderr',
    helpValue: 'LEVEL',
    helpGroup: 'GLOBAL',
  })(),
}
