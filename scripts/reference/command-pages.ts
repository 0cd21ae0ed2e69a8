import type { Command } from '@oclif/core'
import { generatedNote, markdownPage, markdownTable, plain } from './markdown.ts'

/** What of a command the reference shows; the manifest has it. */
export type ReferenceCommand = Command.Cached & {
  readonly exitCodeHelp?: readonly (readonly [number, string])[]
}

const note = generatedNote('the commands in src/commands')

/** File names and texts of docs/reference: a page for each topic, and README.md with the index. */
export function commandPages(commands: readonly ReferenceCommand[]): Map<string, string> {
  const visible = commands
    .filter((command) => !command.hidden)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const topics = Map.groupBy(visible, topicOf)
  const pages = new Map<string, string>([['README.md', indexPage(visible)]])
  for (const [topic, members] of topics) {
    pages.set(
      `${topic}.md`,
      markdownPage(note, `# kiln ${topic}`, ...members.map((command) => commandSection(command))),
    )
  }
  return pages
}

const topicOf = (command: ReferenceCommand): string => command.id.split(':')[0] ?? command.id
const wordsOf = (command: ReferenceCommand): string => `kiln ${command.id.replaceAll(':', ' ')}`

function indexPage(commands: readonly ReferenceCommand[]): string {
  const anchor = (command: ReferenceCommand) => wordsOf(command).replaceAll(' ', '-')
  const globalFlags = Object.values(commands[0]?.flags ?? {}).filter(isGlobal)
  return markdownPage(
    note,
    '# Commands',
    markdownTable(
      ['command', 'what it does'],
      commands.map((command) => [
        `[\`${wordsOf(command)}\`](${topicOf(command)}.md#${anchor(command)})`,
        plain(command.summary ?? ''),
      ]),
    ),
    '## Flags of every command',
    flagTable(globalFlags),
    'Exit codes that any command may end with: [exit-codes.md](../exit-codes.md).',
  )
}

function commandSection(command: ReferenceCommand): string {
  const args = Object.values(command.args)
  const flags = Object.values(command.flags).filter((flag) => !isGlobal(flag) && !flag.hidden)
  const usage = [
    wordsOf(command),
    ...args.map((arg) => (arg.required ? argumentName(arg) : `[${argumentName(arg)}]`)),
    ...flags.filter((flag) => flag.required).map((flag) => flagText(flag)),
    '[flags]',
  ]
  const description = filled(command, command.description ?? '')
  return markdownPage(
    `## ${wordsOf(command)}`,
    plain(filled(command, command.summary ?? '')),
    description === command.summary ? '' : description,
    fenced('text', usage.join(' ')),
    args.length === 0
      ? ''
      : markdownTable(
          ['argument', 'meaning'],
          args.map((arg) => [`\`${argumentName(arg)}\``, plain(arg.description ?? '')]),
        ),
    flags.length === 0 ? '' : flagTable(flags),
    ...exitCodeTable(command),
    ...exampleBlock(command),
  ).trimEnd()
}

const argumentName = (arg: Command.Arg.Cached): string => arg.name.toUpperCase()
const isGlobal = (flag: Command.Flag.Cached): boolean => flag.helpGroup === 'GLOBAL'

function flagText(flag: Command.Flag.Cached): string {
  const name = `--${flag.type === 'boolean' && flag.allowNo ? '[no-]' : ''}${flag.name}`
  return flag.type === 'boolean' ? name : `${name} ${valueName(flag)}`
}

function valueName(flag: Command.Flag.Cached): string {
  if (flag.type === 'boolean') return ''
  const value = Array.isArray(flag.helpValue) ? flag.helpValue.join(' ') : flag.helpValue
  return value ?? flag.name.toUpperCase()
}

function flagTable(flags: readonly Command.Flag.Cached[]): string {
  return markdownTable(
    ['flag', 'meaning'],
    flags.map((flag) => {
      const remarks = [
        ...(flag.required ? ['required'] : []),
        ...(flag.type === 'option' && flag.options ? [`one of ${flag.options.join(', ')}`] : []),
        ...(flag.type === 'option' && flag.default !== undefined
          ? [`default \`${String(flag.default)}\``]
          : []),
      ]
      const short = flag.char ? `\`-${flag.char}\`, ` : ''
      const meaning = [flag.summary ?? flag.description ?? '', ...remarks].join('; ')
      return [`${short}\`${flagText(flag)}\``, plain(meaning)]
    }),
  )
}

function exitCodeTable(command: ReferenceCommand): string[] {
  const codes = command.exitCodeHelp ?? []
  if (codes.length === 0) return []
  return [
    markdownTable(
      ['exit', 'meaning'],
      codes.map(([code, meaning]) => [String(code), plain(meaning)]),
    ),
  ]
}

function exampleBlock(command: ReferenceCommand): string[] {
  const lines = (command.examples ?? []).map((example) =>
    typeof example === 'string' ? example : `# ${example.description}\n${example.command}`,
  )
  if (lines.length === 0) return []
  return [fenced('text', lines.map((line) => filled(command, line)).join('\n'))]
}

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``

/** Fills in what oclif's templates know. */
const filled = (command: ReferenceCommand, template: string): string =>
  template
    .replaceAll(/<%= *config\.bin *%>/g, 'kiln')
    .replaceAll(/<%= *command\.id *%>/g, command.id.replaceAll(':', ' '))
