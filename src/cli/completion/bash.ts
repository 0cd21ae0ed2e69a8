import { type CommandSpec, namesCall } from './spec.ts'

/** Completion for bash 4 and newer; needs nothing of bash-completion. */
export function bashCompletion(commands: readonly CommandSpec[]): string {
  return `# Completion of kiln for bash. Use: source <(kiln completion bash)
_kiln_words() {
  case "$1" in
${nextWords(commands)
  .map(([prefix, words]) => `    '${prefix}') echo '${words.join(' ')}' ;;`)
  .join('\n')}
  esac
}
_kiln_flags() {
  case "$1" in
${commands.map(({ name, flags }) => `    '${name}') echo '${flags.map((flag) => `--${flag.name}`).join(' ')}' ;;`).join('\n')}
  esac
}
_kiln_values() {
  case "$1 $2" in
${commands.flatMap(valueCases).join('\n')}
  esac
}
_kiln_names() {
  case "$1" in
${commands
  .filter(({ names }) => names !== null)
  .map(({ name, names }) => `    '${name}') _kiln_list ${names} ;;`)
  .join('\n')}
  esac
}
_kiln_list() {
  ${namesCall('"$1"')}
}
_kiln() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= word index found
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    found=" $(_kiln_words "$path") "
    [[ $found == *" $word "* ]] || break
    path=\${path:+$path }$word
  done
  COMPREPLY=()
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$(_kiln_flags "$path") --help" -- "$current"))
    return
  fi
  found=$(_kiln_values "$path" "$previous")
  if [[ -z $found && $previous != -* ]]; then
    found="$(_kiln_words "$path") $(_kiln_names "$path")"
  fi
  COMPREPLY=($(compgen -W "$found" -- "$current"))
}
complete -o default -F _kiln kiln
`
}

function valueCases({ name, flags }: CommandSpec): string[] {
  return flags.flatMap((flag) => {
    const pattern = [`'${name} --${flag.name}'`, ...(flag.char ? [`'${name} -${flag.char}'`] : [])]
    if (flag.options.length > 0) {
      return [`    ${pattern.join('|')}) echo '${flag.options.join(' ')}' ;;`]
    }
    return flag.names === null ? [] : [`    ${pattern.join('|')}) _kiln_list ${flag.names} ;;`]
  })
}

/** By the words before it, the words that may come next. */
export function nextWords(
  commands: readonly CommandSpec[],
): readonly (readonly [string, readonly string[]])[] {
  const next = new Map<string, Set<string>>()
  for (const { name } of commands) {
    const words = name.split(' ')
    for (const [index, word] of words.entries()) {
      const prefix = words.slice(0, index).join(' ')
      next.set(prefix, (next.get(prefix) ?? new Set()).add(word))
    }
  }
  return [...next].map(([prefix, words]) => [prefix, [...words].sort()])
}
