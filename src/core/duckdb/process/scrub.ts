import path from 'node:path'
import type { Setup } from '../protocol.ts'

export type Scrub = (message: string) => string

/** Messages above this are cut: a script can put a text of any size into an error. */
const maxMessageLength = 8192

/**
 * DuckDB names files by their full path; whoever reads the message is a script that must not learn
 * where it runs. A datasource is shown by its name, the job's folder not at all.
 */
export function scrubberFor({ folder, attach: datasources = [], project }: Setup): Scrub {
  const attach = [...datasources, ...(project ? [{ name: 'project', path: project.path }] : [])]
  const names: readonly (readonly [string, string])[] = [
    ...attach.map(({ name, path: file }) => [file, name] as const),
    [`${folder}/`, ''],
    [folder, '.'],
    ...attach.map(({ path: file }) => [path.dirname(file), '…'] as const),
  ]
  const known = names.filter(([text]) => text.length > 1)
  return (message) =>
    known
      .reduce((text, [secret, name]) => text.replaceAll(secret, name), message)
      .slice(0, maxMessageLength)
}
