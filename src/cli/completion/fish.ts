import { nextWords } from './bash.ts'
import { type CommandSpec, type NameKind, nameKinds, namesCall } from './spec.ts'

/** Completion for fish: words and flags with what they mean. */
export function fishCompletion(commands: readonly CommandSpec[]): string {
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]))
  const lines = [
    '# Completion of kiln for fish. Use: kiln completion fish | source',
    'function __kiln_at',
    '    set -l typed (commandline -opc)[2..-1]',
    "    set -l words (string match -v -- '-*' $typed)",
    '    test "$words" = "$argv[1]"',
    'end',
    'function __kiln_in',
    '    set -l typed (commandline -opc)[2..-1]',
    '    string match -q -- "$argv[1] *" "$typed "',
    'end',
    ...nameKinds.flatMap((kind) => [`function __kiln_${kind}`, `    ${namesCall(kind)}`, 'end']),
    'complete -c kiln -e',
  ]
  for (const [prefix, words] of nextWords(commands)) {
    lines.push(`complete -c kiln -f -n '__kiln_at "${prefix}"'`)
    for (const word of words) {
      const name = prefix === '' ? word : `${prefix} ${word}`
      const summary = summaries.get(name) ?? `commands of ${name}`
      lines.push(`complete -c kiln -n '__kiln_at "${prefix}"' -a '${word}' -d '${summary}'`)
    }
  }
  for (const command of commands) lines.push(...commandLines(command))
  return `${lines.join('\n')}\n`
}

function commandLines({ name, flags, names }: CommandSpec): string[] {
  const inside = `complete -c kiln -n '__kiln_in "${name}"'`
  return [
    ...(names === null ? [] : [`${inside} -a '(__kiln_${names satisfies NameKind})'`]),
    ...flags.map(({ name: flag, char, description, takesValue, options, names: kind }) => {
      const values =
        options.length > 0
          ? ` -f -a '${options.join(' ')}'`
          : kind
            ? ` -f -a '(__kiln_${kind})'`
            : ''
      return `${inside} -l ${flag}${char ? ` -s ${char}` : ''}${takesValue ? ' -r' : ''}${values} -d '${description}'`
    }),
  ]
}
