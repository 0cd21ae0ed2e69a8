import { isIP } from 'node:net'
import path from 'node:path'
import { isKilnError } from '../errors/index.ts'
import { didYouMean, isTimezone, maskPasswords } from '../units/index.ts'
import {
  type Layer,
  type SettingsInput,
  environmentLayers,
  placeOf,
  readEnvFiles,
  readSetting,
  settingKeys,
} from './load-settings.ts'
import { type SettingKey, type Settings, settingAliases, settingTable } from './setting-table.ts'

/** Something that is wrong with the settings, or that is hardly meant. */
export interface SettingProblem {
  readonly name: string
  /** `flag`, `environment`, the name of a file, or `settings` of several together. */
  readonly source: string
  /** `error`: nothing works with it. */
  readonly level: 'error' | 'warning'
  readonly problem: string
  readonly hint: string
}

/** Say why a text that can be read is of no use; undefined when it is. */
export interface SettingJudges {
  readonly cronRule: Judge
  readonly databaseUrl: Judge
}

type Judge = (text: string) => string | undefined

/**
 * Everything that is wrong with the settings, not only the first of it: impossible values, files that
 * cannot be read, names that begin like a setting and are none, values that contradict each other.
 * What some texts mean is known above this module only: `judges` say what is wrong with them.
 *
 * @throws KilnError FILE_UNREADABLE for an .env file.
 */
export function checkSettings(
  input: SettingsInput,
  judges: SettingJudges,
): readonly SettingProblem[] {
  const layers = environmentLayers(input)
  const problems: SettingProblem[] = []
  const values: Record<string, unknown> = {}
  for (const key of settingKeys) {
    try {
      values[key] = readSetting(key, input, layers).value
    } catch (error) {
      if (!isKilnError(error)) throw error
      problems.push({
        name: settingTable[key].name,
        source: sourceOf(key, input, layers),
        level: 'error',
        problem: error.message,
        hint: error.hint ?? '',
      })
    }
  }
  const found = [
    ...problems,
    ...unusableValues(values, (key) => sourceOf(key, input, layers), judges),
    ...unknownNames(layers),
    ...brokenLines(input),
    ...namedTwice(layers),
    // What cannot be read contradicts nothing.
    ...(problems.length === 0 ? contradictions(values as unknown as Settings) : []),
  ]
  // They repeat what was read, and a URL in the wrong place is a usual slip.
  return found.map((one) => ({ ...one, problem: maskPasswords(one.problem) }))
}

/** The .env files that are there, first the one that wins. */
export function envFiles(input: Pick<SettingsInput, 'environment' | 'folder'> = {}): string[] {
  const folder = input.folder ?? process.cwd()
  return readEnvFiles(input).flatMap(([name, file]) => (file ? [path.join(folder, name)] : []))
}

const names = Object.values(settingTable).flatMap(({ name }) => [
  name,
  ...(settingAliases[name] ?? []),
])
const known = new Set(names.flatMap((name) => [name, `${name}_FILE`]))

/** Only of our own prefix: the environment is full of names of others. */
function unknownNames(layers: readonly Layer[]): SettingProblem[] {
  return layers.flatMap(([source, values]) =>
    Object.keys(values)
      .filter((name) => name.startsWith('ANALYSIS_') && !known.has(name))
      .map((name) => ({
        name,
        source,
        level: 'error' as const,
        problem: `${name} is no setting${didYouMean(name, names)}`,
        hint: `correct or remove ${name} in ${placeOf(source)}`,
      })),
  )
}

/** Lines that are left out, or hardly read as they were meant. */
function brokenLines(input: SettingsInput): SettingProblem[] {
  return readEnvFiles(input).flatMap(([source, file]) =>
    (file?.problems ?? []).map(({ line, name, problem }) => ({
      name: name ?? `line ${line}`,
      source,
      level: 'error' as const,
      problem: `line ${line} of ${source} ${problem}`,
      hint: 'write it as NAME=value, a value with blanks or a # in single quotes',
    })),
  )
}

/** One of the two is not looked at, and nobody knows which was meant. */
function namedTwice(layers: readonly Layer[]): SettingProblem[] {
  return layers.flatMap(([source, values]) =>
    names
      .filter((name) => values[name]?.trim() && values[`${name}_FILE`]?.trim())
      .map((name) => ({
        name,
        source,
        level: 'warning' as const,
        problem: `${name} and ${name}_FILE are both set, and the file is not read`,
        hint: `remove one of them from ${placeOf(source)}`,
      })),
  )
}

const urlOf = (protocols: RegExp, kind: string): Judge => {
  return (text) => (protocols.test(text) && URL.canParse(text) ? undefined : `is no ${kind} URL`)
}

/** Names and addresses as a listening socket takes them. */
const address: Judge = (text) =>
  isIP(text) !== 0 || (/^[a-z0-9]([\w.-]*[a-z0-9])?$/i.test(text) && !/^[\d.]+$/.test(text))
    ? undefined
    : 'is no address'

const timeZone: Judge = (text) =>
  isTimezone(text) ? undefined : `names a time zone that does not exist: ${text}`

/** Values that are found out to be wrong only by who uses them, often a service at its start. */
function unusableValues(
  values: Readonly<Record<string, unknown>>,
  sourceOfKey: (key: SettingKey) => string,
  { cronRule, databaseUrl }: SettingJudges,
): SettingProblem[] {
  const rule: Judge = (text) => (text.toLowerCase() === 'off' ? undefined : cronRule(text))
  const judges: Partial<Record<keyof Settings, Judge>> = {
    databaseUrl,
    databaseReadonlyUrl: databaseUrl,
    executorUrl: urlOf(/^https?:\/\//, 'HTTP'),
    host: address,
    scheduleTimezone: timeZone,
    aggregationSchedule: rule,
    backupSchedule: rule,
    backupVerifySchedule: rule,
    backupPruneSchedule: rule,
    cleanupSchedule: rule,
    viewRefreshSchedule: rule,
  }
  return Object.entries(judges).flatMap(([key, judge]) => {
    const value = values[key]
    const problem = typeof value === 'string' ? judge(value) : undefined
    if (problem === undefined) return []
    const { name } = settingTable[key as SettingKey]
    const source = sourceOfKey(key as SettingKey)
    const hint = `correct ${name} in ${placeOf(source)}`
    return [{ name, source, level: 'error' as const, problem: `${name} ${problem}`, hint }]
  })
}

function contradictions(settings: Settings): SettingProblem[] {
  const problems: SettingProblem[] = []
  const warn = (name: string, problem: string, hint: string): void => {
    problems.push({ name, source: 'settings', level: 'warning', problem, hint })
  }
  if (settings.sandboxTimeoutMs > settings.jobTimeoutMs) {
    warn(
      'ANALYSIS_SANDBOX_TIMEOUT_SECONDS',
      'a script may run for longer than its whole job may take',
      'lower it, or raise ANALYSIS_JOB_TIMEOUT_SECONDS',
    )
  }
  if (settings.jobRetentionMs < settings.resultRetentionMs) {
    warn(
      'ANALYSIS_JOB_RETENTION_DAYS',
      'jobs would go before their results; they are kept as long as those',
      'raise it, or lower ANALYSIS_RESULT_RETENTION_DAYS',
    )
  }
  if (settings.apiToken !== undefined && settings.apiToken.length < 32) {
    warn(
      'ANALYSIS_API_TOKEN',
      'the token has fewer than 32 characters',
      'make one: openssl rand -hex 32',
    )
  }
  return problems
}

function sourceOf(key: SettingKey, { flags }: SettingsInput, layers: readonly Layer[]): string {
  if (flags?.[key] !== undefined) return 'flag'
  const { name } = settingTable[key]
  const candidates = [name, ...(settingAliases[name] ?? [])].flatMap((one) => [one, `${one}_FILE`])
  const layer = layers.find(([, values]) => candidates.some((one) => values[one]?.trim()))
  return layer?.[0] ?? 'default'
}
