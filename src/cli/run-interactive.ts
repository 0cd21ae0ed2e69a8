import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { KilnError, errorCodeOf } from '../core/errors/index.ts'

/**
 * Runs a program on our terminal and returns its exit code. Ctrl-C is the program's to handle: we
 * only wait for it.
 *
 * @throws KilnError TOOL_MISSING with the given hint.
 */
export async function runInteractive(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  missingHint: string,
): Promise<number> {
  const signals = ['SIGINT', 'SIGTERM'] as const
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  for (const signal of signals) process.removeAllListeners(signal)
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (exitCode, signal) =>
        resolve(exitCode ?? 128 + constants.signals[signal ?? 'SIGTERM']),
      )
    })
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw error
    throw new KilnError('TOOL_MISSING', `${program} is not installed`, { hint: missingHint })
  }
}
