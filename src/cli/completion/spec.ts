import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../core/os/index.ts'

/** What stands for an argument, where its names come from the database. */
export const nameKinds = ['analyses', 'jobs', 'schedules'] as const
export type NameKind = (typeof nameKinds)[number]

export const isNameKind = (text: string): text is NameKind =>
  nameKinds.some((kind) => kind === text)

/** A command as completion needs it. */
export interface CommandSpec {
  /** `job list`. */
  readonly name: string
  readonly summary: string
  readonly flags: readonly FlagSpec[]
  /** What its first argument names; null for files, and for what nobody can guess. */
  readonly names: NameKind | null
}

export interface FlagSpec {
  readonly name: string
  readonly char: string | null
  readonly description: string
  readonly takesValue: boolean
  readonly options: readonly string[]
  readonly names: NameKind | null
}

/** Shell text that prints the names of a kind, one a line; nothing where there is no database. */
export const namesCall = (kind: string): string =>
  `command kiln completion names ${kind} --output name 2>/dev/null </dev/null`

interface Manifest {
  readonly commands: Readonly<Record<string, ManifestCommand>>
}

interface ManifestCommand {
  readonly id: string
  readonly summary?: string
  readonly hidden?: boolean
  readonly args?: Readonly<Record<string, { readonly name: string }>>
  readonly flags?: Readonly<Record<string, ManifestFlag>>
}

interface ManifestFlag {
  readonly name: string
  readonly char?: string
  readonly type: 'boolean' | 'option'
  readonly description?: string
  readonly hidden?: boolean
  readonly helpGroup?: string
  readonly options?: readonly string[]
}

/** All commands, from the manifest of the build. */
export function commandSpecs(): readonly CommandSpec[] {
  const file = path.join(packageRoot(), 'oclif.manifest.json')
  const { commands } = JSON.parse(readFileSync(file, 'utf8')) as Manifest
  // The manifest leaves them out of a command that is another by inheritance.
  const all = Object.values(commands).flatMap(({ flags = {} }) => Object.entries(flags))
  const globals = Object.fromEntries(all.filter(([, flag]) => flag.helpGroup === 'GLOBAL'))
  return Object.values(commands)
    .filter(({ hidden }) => !hidden)
    .map((command) => specOf({ ...command, flags: { ...globals, ...command.flags } }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function specOf({ id, summary = '', args = {}, flags = {} }: ManifestCommand): CommandSpec {
  const name = id.replaceAll(':', ' ')
  const [first] = Object.values(args)
  return {
    name,
    summary: plain(summary),
    names: first ? kindOf(name, first.name) : null,
    flags: Object.values(flags)
      .filter(({ hidden }) => !hidden)
      .map((flag) => ({
        name: flag.name,
        char: flag.char ?? null,
        description: plain(flag.description ?? ''),
        takesValue: flag.type === 'option',
        options: flag.options ?? [],
        names: flag.name === 'analysis' ? 'analyses' : null,
      })),
  }
}

function kindOf(command: string, argument: string): NameKind | null {
  if (argument === 'schedule') return 'schedules'
  if (argument === 'analysis') return 'analyses'
  return command.startsWith('job ') && ['id', 'a', 'b'].includes(argument) ? 'jobs' : null
}

/** Descriptions hold no quotes that a shell would read. */
const plain = (text: string): string =>
  text
    .replaceAll(/['"`\\$[\]]/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
