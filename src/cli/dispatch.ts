import { Config } from '@oclif/core/config'
import { normalizeArgv } from '@oclif/core/help'
import { KilnError } from '../core/errors/index.ts'
import { asksForDebug, formatOfArgv } from './output/format-of-argv.ts'
import { errorText, toKilnError } from './output/report-error.ts'
import { showHelp } from './show-help.ts'
import { suggestCommands } from './suggest-commands.ts'

/** Finds the command of a command line and runs it, or shows help; sets the exit code, never throws. */
export async function dispatch(argv: readonly string[], root: string): Promise<void> {
  try {
    await runCommand([...argv], root)
  } catch (error) {
    const kilnError = toKilnError(error)
    const asJson = formatOfArgv(argv) === 'json'
    process.stderr.write(`${errorText(kilnError, { asJson, withStack: asksForDebug(argv) })}\n`)
    process.exitCode = kilnError.exitCode
  }
}

async function runCommand(argv: string[], root: string): Promise<void> {
  const config = await Config.load({ root })
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  const end = words.indexOf('--')
  const asksHelp = words
    .slice(0, end < 0 ? undefined : end)
    .some((word) => word === '--help' || word === '-h')
  if (asksHelp) {
    await showHelp(
      config,
      words.filter((word) => word !== '--help' && word !== '-h'),
      process.stdout,
    )
    return
  }
  const [id = '', ...rest] = normalizeArgv(config, [...words])
  const command = config.findCommand(id)
  if (command) {
    await config.runCommand(id, rest, command)
    return
  }
  // A topic alone, or nothing at all, is a mistake in a script: `kiln $COMMAND` with an empty
  // variable must not pass for success.
  if (id === '' || config.findTopic(id)) {
    await showHelp(config, id === '' ? [] : id.split(':'), process.stderr)
    throw new KilnError(
      'USAGE',
      id === '' ? 'no command given' : `"${id.replaceAll(':', ' ')}" is a group of commands`,
      {
        hint: 'name one of the commands above',
      },
    )
  }
  const named = words.slice(0, words.findIndex((word) => word.startsWith('-')) + 1 || undefined)
  for (let length = named.length; length > 0; length -= 1) {
    if (!config.findCommand(named.slice(0, length).join(':'))) continue
    const taken = named.slice(0, length).join(' ')
    throw new KilnError('USAGE', `"${taken}" takes no argument`, {
      hint: `run: kiln ${taken} --help`,
    })
  }
  // A URL in the wrong place is a usual slip, and may hold a password.
  const typed = words.map((word) => (word.includes('://') ? '***' : word)).join(' ')
  const suggestions = suggestCommands(typed, config.commandIDs)
  throw new KilnError('USAGE', `there is no command "${typed}"`, {
    hint:
      suggestions.length > 0
        ? `did you mean: kiln ${suggestions.join(', kiln ')}`
        : 'run: kiln --help',
  })
}
