import { pathToFileURL } from 'node:url'
import type { CommandClass } from './base-command.ts'
import { findCommand } from './find-command.ts'
import { asksForDebug, formatOfArgv } from './output/format-of-argv.ts'
import { errorText, toKilnError } from './output/report-error.ts'
import { runConfig } from './run-config.ts'

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
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  const end = words.indexOf('--')
  const asksHelp = words
    .slice(0, end < 0 ? undefined : end)
    .some((word) => word === '--help' || word === '-h')
  if (!asksHelp && (await runFoundCommand(words, root))) return
  const { dispatchByOclif } = await import('./dispatch-by-oclif.ts')
  await dispatchByOclif(words, asksHelp, root)
}

/** False when oclif has to look at the command line. */
async function runFoundCommand(argv: readonly string[], root: string): Promise<boolean> {
  const found = findCommand(argv, root)
  if (!found) return false
  const { default: FoundClass } = (await import(pathToFileURL(found.file).href)) as {
    default: CommandClass
  }
  // A word too many may be a command that is mistyped.
  const [next] = found.rest
  const takesWords = FoundClass.strict === false || Object.keys(FoundClass.args).length > 0
  if (!takesWords && next !== undefined && !/^-|=/.test(next)) return false
  FoundClass.id = found.id
  await FoundClass.runWith(found.rest, runConfig(root))
  return true
}
