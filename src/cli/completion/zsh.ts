import { nextWords } from './bash.ts'
import { type CommandSpec, namesCall } from './spec.ts'

/** Completion for zsh: words and flags with what they mean. */
export function zshCompletion(commands: readonly CommandSpec[]): string {
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]))
  return `#compdef kiln
# Completion of kiln for zsh. Use: source <(kiln completion zsh)
_kiln_words() {
  case "$1" in
${nextWords(commands)
  .map(([prefix, words]) => {
    const described = words.map((word) => {
      const name = prefix === '' ? word : `${prefix} ${word}`
      return `'${word}:${(summaries.get(name) ?? `commands of ${name}`).replaceAll(':', '\\:')}'`
    })
    return `    '${prefix}') reply=(${described.join(' ')}) ;;`
  })
  .join('\n')}
    *) reply=() ;;
  esac
}
_kiln_flags() {
  case "$1" in
${commands
  .map(
    ({ name, flags }) =>
      `    '${name}') reply=(${flags.map((flag) => `'--${flag.name}:${flag.description.replaceAll(':', '\\:')}'`).join(' ')}) ;;`,
  )
  .join('\n')}
    *) reply=() ;;
  esac
}
_kiln_values() {
  case "$1 $2" in
${commands
  .flatMap(({ name, flags }) =>
    flags.flatMap((flag) => {
      const pattern = [
        `'${name} --${flag.name}'`,
        ...(flag.char ? [`'${name} -${flag.char}'`] : []),
      ]
      if (flag.options.length > 0)
        return [`    ${pattern.join('|')}) reply=(${flag.options.join(' ')}) ;;`]
      return flag.names === null
        ? []
        : [`    ${pattern.join('|')}) reply=(\${(f)"$(_kiln_list ${flag.names})"}) ;;`]
    }),
  )
  .join('\n')}
    *) reply=() ;;
  esac
}
_kiln_names() {
  case "$1" in
${commands
  .filter(({ names }) => names !== null)
  .map(({ name, names }) => `    '${name}') reply=(\${(f)"$(_kiln_list ${names})"}) ;;`)
  .join('\n')}
    *) reply=() ;;
  esac
}
_kiln_list() {
  ${namesCall('"$1"')}
}
_kiln() {
  local at= word index
  local -a reply
  for ((index = 2; index < CURRENT; index++)); do
    word=\${words[index]}
    _kiln_words "$at"
    (( \${reply[(I)$word:*]} )) || break
    at=\${at:+$at }$word
  done
  if [[ \${words[CURRENT]} == -* ]]; then
    _kiln_flags "$at"
    _describe -o flag reply
    return
  fi
  _kiln_values "$at" "\${words[CURRENT-1]}"
  if (( $#reply )); then
    compadd -a reply
    return
  fi
  _kiln_words "$at"
  if (( $#reply )); then
    _describe command reply
    return
  fi
  _kiln_names "$at"
  (( $#reply )) && compadd -a reply
  _files
}
(( $+functions[compdef] )) && compdef _kiln kiln
`
}
