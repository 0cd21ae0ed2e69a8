/** Every command of the built program, and a command line of each that gets past its parser. */
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

const id = '0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77'
const root = path.resolve(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: Record<string, { readonly readsOnly?: boolean }>
}

/** Arguments with which a command gets past its parser, where it needs any. */
export const lines: Readonly<Record<string, string>> = {
  'analysis create': 'script.js',
  'analysis delete': 'a --yes',
  'analysis diff': 'a',
  'analysis disable': 'a',
  'analysis enable': 'a',
  'analysis init': 'new.js',
  'analysis options': 'a p',
  'analysis restore': 'a 1',
  'analysis results': 'a',
  'analysis run': 'a',
  'analysis show': 'a',
  'analysis update': 'a script.js',
  'analysis validate': 'script.js',
  'analysis versions': 'a',
  'backup export': 'latest out.tar',
  'backup import': 'none.tar',
  'backup show': 'latest',
  completion: 'bash',
  'completion names': 'jobs',
  'db psql': '-- -c select',
  'datasource add': 'd --type file --path script.js --format csv',
  'datasource remove': 'd',
  'datasource show': 'd',
  'datasource test': 'd',
  doctor: '--only settings,postgres.reachable',
  'duckdb info': 'p',
  'duckdb query': 'p select',
  'executor drain': 'e',
  health: '--url http://127.0.0.1:1',
  'health check': '--target a=http://127.0.0.1:1',
  'job cancel': id,
  'job compare': `${id} ${id}`,
  'job logs': id,
  'job result': id,
  'job retry': id,
  'job show': id,
  'job wait': id,
  'migrate baseline': '1',
  'migrate create': 'x --migrations .',
  'migrate down': '--yes',
  'migrate repair': '--reason x --accept-checksum 1',
  'project move': 'p --home here --yes',
  'project set': 'p --max-concurrent 1',
  'project show': 'p',
  'schedule backfill': 's --from 1d',
  'schedule delete': 's',
  'schedule disable': 's',
  'schedule enable': 's',
  'schedule history': 's',
  'schedule next': '--cron @daily',
  'schedule set': 'a --cron @daily',
  'schedule show': 's',
  'schedule trigger': 's',
  test: 'tests',
}

/** Names of all commands, as they are typed. */
export const commandNames: readonly string[] = Object.keys(manifest.commands).map((name) =>
  name.replaceAll(':', ' '),
)

/** Those that change nothing. */
export const readingCommands: readonly string[] = commandNames.filter(
  (name) => manifest.commands[name.replaceAll(' ', ':')]?.readsOnly,
)

/** The words of a command line. */
export const wordsOf = (name: string): string[] => [
  ...name.split(' '),
  ...(lines[name]?.split(' ') ?? []),
]

/** The files that the lines name, in the working folder. */
export async function writeFilesOfLines(folder: string): Promise<void> {
  await writeFile(path.join(folder, 'script.js'), 'export default () => 1\n')
  await mkdir(path.join(folder, 'tests'))
  await writeFile(path.join(folder, 'tests/a.js'), 'export default () => 1\n')
  await writeFile(path.join(folder, 'tests/a.test.json'), '{"expected": 1}')
}
