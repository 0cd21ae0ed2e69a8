import path from 'node:path'
import type { SettingDefinition } from '../../src/core/config/setting-parsers.ts'
import { settingAliases, settingTable } from '../../src/core/config/setting-table.ts'
import { formatSize } from '../../src/core/units/index.ts'
import { generatedNote, markdownPage, markdownTable, plain } from './markdown.ts'

const intro = `# Settings

A setting is looked for in this order: command-line flag, environment variable, \`.env.<ENVIRONMENT>\`
and \`.env\` in the working folder, default. In each place but the first, \`NAME_FILE\` may stand for
\`NAME\`: a path whose content is the value. An empty value counts as unset. Values marked secret are
masked wherever Kiln shows them, and so are passwords of URLs in all others.

In an \`.env\` file a line is \`NAME=value\`, \`export\` before it or not. A value may stand in single or
double quotes or backticks, then over several lines too; a bare one ends at a # after a blank. Nothing in
it is expanded, but \`\\n\` in double quotes.

\`kiln config show --sources\` tells what is in force and where it comes from, \`kiln config check\`
everything that is wrong with it, \`kiln config suggest\` what fits a machine.`

/** Defaults that depend on the machine, by the setting's own name: the page must not tell this one's. */
const machineDefaults: Readonly<Record<string, string>> = {
  MAX_CONCURRENT_JOBS: 'twice the cores, at most 10',
}

/** docs/settings.md: every setting in the order of the table. */
export function settingsPage(): string {
  const settings = Object.values(settingTable) as readonly SettingDefinition<unknown>[]
  const names = new Set(settings.map(({ name }) => name))
  const stray = Object.keys(machineDefaults).find((name) => !names.has(name))
  if (stray !== undefined) throw new Error(`${stray}: no setting has this name`)
  return markdownPage(
    generatedNote('src/core/config/setting-table.ts'),
    intro,
    markdownTable(
      ['name', 'meaning', 'value', 'default'],
      settings.map((setting) => [
        [setting.name, ...(settingAliases[setting.name] ?? [])].map(quote).join(' or '),
        plain(`${setting.description}${setting.isSecret ? ' (secret)' : ''}`),
        plain(setting.expected),
        defaultText(setting),
      ]),
    ),
  )
}

const quote = (name: string): string => `\`${name}\``

/** The default as one would write it: the text that reads as the value. */
function defaultText(setting: SettingDefinition<unknown>): string {
  const value = setting.fallback()
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return 'none'
  const machine = machineDefaults[setting.name]
  if (machine) return machine
  const text = textsOf(value).find((candidate) => setting.parse(candidate) === value)
  if (text === undefined) throw new Error(`${setting.name}: no text reads as its default`)
  return quote(text)
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'number') {
    return [formatSize(value), String(value), String(value / 1000), String(value / 86_400_000)]
  }
  if (typeof value === 'boolean') return [String(value)]
  return typeof value === 'string' ? [`./${path.relative('.', value)}`, value] : []
}
