import { text as readText } from 'node:stream/consumers'
import type { DatasourceSource } from '../core/datasources/index.ts'
import { KilnError } from '../core/errors/index.ts'

type Type = DatasourceSource['type']

interface SourceFlags {
  readonly type: Type
  readonly 'url-env': string | undefined
  readonly 'url-file': string | undefined
  readonly url: string | undefined
  readonly path: string | undefined
  readonly format: Extract<DatasourceSource, { type: 'file' }>['format']
}

/** Flags that describe a datasource of each type. */
const flagsOf: Readonly<Record<Type, readonly (keyof SourceFlags)[]>> = {
  postgres: ['url-env', 'url-file', 'url'],
  duckdb: ['path'],
  file: ['path', 'format'],
}

/**
 * The datasource that the flags of `datasource add` describe. Which flags go together is checked
 * here and not by the parser, whose errors repeat the values, and one of them is a secret.
 *
 * @throws KilnError USAGE.
 */
export async function sourceOfFlags(flags: SourceFlags): Promise<DatasourceSource> {
  const { type } = flags
  for (const other of ['url-env', 'url-file', 'url', 'path', 'format'] as const) {
    if (flags[other] !== undefined && !flagsOf[type].includes(other)) {
      throw usage(`--${other} does not go with --type ${type}`, type)
    }
  }
  if (type !== 'postgres') {
    if (flags.path === undefined) throw usage(`--type ${type} needs --path`, type)
    return type === 'duckdb'
      ? { type, path: flags.path }
      : { type, path: flags.path, format: flags.format }
  }
  const given = [flags['url-env'], flags['url-file'], flags.url].filter((one) => one !== undefined)
  if (given.length !== 1) {
    throw usage('--type postgres needs one of --url-env, --url-file and --url', type)
  }
  if (flags['url-env'] !== undefined) return { type, urlVariable: flags['url-env'] }
  if (flags['url-file'] !== undefined) return { type, urlFile: flags['url-file'] }
  return { type, url: flags.url === '-' ? await readText(process.stdin) : (flags.url ?? '') }
}

const usage = (message: string, type: Type): KilnError =>
  new KilnError('USAGE', message, {
    hint: {
      postgres: 'write --type postgres --url-env NAME, where the variable NAME holds the URL',
      duckdb: 'write --type duckdb --path FILE',
      file: 'write --type file --path FILE',
    }[type],
  })
