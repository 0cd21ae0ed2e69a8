import { readFileSync } from 'node:fs'
import path from 'node:path'
import { KilnError, errorCodeOf, messageOf } from '../errors/index.ts'
import { maskPasswords } from '../units/index.ts'
import { type EnvFile, parseEnvFile } from './parse-env-file.ts'
import type { SettingDefinition } from './setting-parsers.ts'
import { type SettingKey, type Settings, settingAliases, settingTable } from './setting-table.ts'

export interface SettingsInput {
  /** Values of command-line flags, by setting; they win over everything. */
  readonly flags?: Partial<Record<SettingKey, string>>
  readonly environment?: NodeJS.ProcessEnv
  /** Folder in which `.env` files are looked for. */
  readonly folder?: string
}

export interface LoadedSettings {
  readonly settings: Settings
  /** Where each value came from: `flag`, `environment`, a file's name, or `default`. */
  readonly sources: Readonly<Record<SettingKey, string>>
}

interface Found {
  readonly text: string
  readonly source: string
}

/**
 * Reads all settings: flags, then environment, then NAME_FILE, then `.env.<ENVIRONMENT>`, then
 * `.env`, then defaults. An empty value counts as unset, as cron and CI files write it.
 *
 * @throws KilnError SETTING_INVALID for a value that cannot be, FILE_UNREADABLE for a NAME_FILE.
 */
export function loadSettings(input: SettingsInput = {}): LoadedSettings {
  const layers = environmentLayers(input)
  const values: Record<string, unknown> = {}
  const sources: Record<string, string> = {}
  for (const key of settingKeys) {
    const { value, source } = readSetting(key, input, layers)
    values[key] = value
    sources[key] = source
  }
  return { settings: values as Settings, sources: sources as Record<SettingKey, string> }
}

export const settingKeys = Object.keys(settingTable) as readonly SettingKey[]

/** @throws KilnError SETTING_INVALID, FILE_UNREADABLE. */
export function readSetting(
  key: SettingKey,
  input: SettingsInput,
  layers: readonly Layer[],
): { readonly value: unknown; readonly source: string } {
  const definition: SettingDefinition<unknown> = settingTable[key]
  const fromFlag = input.flags?.[key]
  const found: Found | undefined =
    fromFlag === undefined ? find(definition.name, layers) : { text: fromFlag, source: 'flag' }
  return {
    value: found ? parse(definition, found) : definition.fallback(),
    source: found?.source ?? 'default',
  }
}

/**
 * The value of a variable that is no setting, found where settings are: environment, then
 * `.env.<ENVIRONMENT>`, then `.env`. Undefined when unset or empty.
 */
export function readVariable(
  name: string,
  input: Omit<SettingsInput, 'flags'> = {},
): string | undefined {
  for (const [, values] of environmentLayers(input)) {
    const text = values[name]?.trim()
    if (text) return text
  }
  return undefined
}

/** Values by the name of where they are, first the one that wins. */
export type Layer = readonly [string, Readonly<Record<string, string | undefined>>]

export function environmentLayers(input: SettingsInput): readonly Layer[] {
  const files = readEnvFiles(input)
  return [
    ['environment', input.environment ?? process.env],
    ...files.map(([name, file]): Layer => [name, file?.values ?? {}]),
  ]
}

/** The .env files, first the one that wins; undefined where there is none. */
export function readEnvFiles(
  input: Omit<SettingsInput, 'flags'>,
): readonly (readonly [string, EnvFile | undefined])[] {
  const environment = input.environment ?? process.env
  const folder = input.folder ?? process.cwd()
  const dotEnv = readEnvFile(path.join(folder, '.env'))
  const named = environment.ENVIRONMENT || dotEnv?.values.ENVIRONMENT || 'production'
  return [
    [`.env.${named}`, readEnvFile(path.join(folder, `.env.${named}`))],
    ['.env', dotEnv],
  ]
}

function find(name: string, layers: readonly Layer[]): Found | undefined {
  for (const [source, values] of layers) {
    for (const candidate of [name, ...(settingAliases[name] ?? [])]) {
      const text = values[candidate]?.trim()
      if (text) return { text, source }
      const file = values[`${candidate}_FILE`]?.trim()
      // LOG_FILE is a setting of its own, not the file of a setting LOG.
      if (file && !isSettingName(`${candidate}_FILE`))
        return { text: readSecret(candidate, file), source: file }
    }
  }
  return undefined
}

const settingNames = new Set(Object.values(settingTable).map((definition) => definition.name))
const isSettingName = (name: string): boolean => settingNames.has(name)

function readSecret(name: string, file: string): string {
  let secret: string
  try {
    secret = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new KilnError('FILE_UNREADABLE', `cannot read ${file}, named by ${name}_FILE`, {
      hint: `make the file readable for this user, or unset ${name}_FILE`,
      cause: error,
    })
  }
  // A secret that was not mounted; to go on without it could mean another database.
  if (secret === '') {
    throw new KilnError('SETTING_INVALID', `${file}, named by ${name}_FILE, is empty`, {
      hint: `write the value into it, or unset ${name}_FILE`,
    })
  }
  return secret
}

function readEnvFile(file: string): EnvFile | undefined {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw new KilnError('FILE_UNREADABLE', `cannot read ${file}: ${messageOf(error)}`, {
      hint: 'make the file readable for this user, or remove it',
      cause: error,
    })
  }
  return parseEnvFile(content)
}

function parse(definition: SettingDefinition<unknown>, found: Found): unknown {
  const value = definition.parse(found.text)
  if (value !== undefined) return value
  const shown = definition.isSecret ? 'its value' : JSON.stringify(maskPasswords(found.text))
  throw new KilnError(
    'SETTING_INVALID',
    `${definition.name}: ${shown} is not ${definition.expected}`,
    {
      hint: `correct ${definition.name} in ${placeOf(found.source)}`,
    },
  )
}

/** Where to correct what came from there. */
export function placeOf(source: string): string {
  if (source === 'environment') return 'the environment'
  return source === 'flag' ? 'the command line' : source
}
