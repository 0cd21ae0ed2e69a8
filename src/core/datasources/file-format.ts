import type { FileFormat } from '../duckdb/index.ts'
import { KilnError } from '../errors/index.ts'
import { fileFormats } from './datasource.ts'

const formatsByExtension: Readonly<Record<string, FileFormat>> = {
  csv: 'csv',
  tsv: 'csv',
  json: 'json',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  parquet: 'parquet',
}

/**
 * The format that the name of a file or glob tells; a compressed one counts as what is inside.
 *
 * @throws KilnError DATASOURCE_INVALID when it tells none.
 */
export function formatOfPath(pathOrGlob: string): FileFormat {
  const extension = /\.([a-z]+)(\.(gz|zst))?$/i.exec(pathOrGlob)?.[1]?.toLowerCase()
  const format = extension === undefined ? undefined : formatsByExtension[extension]
  if (format) return format
  throw new KilnError('DATASOURCE_INVALID', `the name of ${pathOrGlob} does not tell its format`, {
    hint: `say it: --format ${fileFormats.join('|')}`,
  })
}
