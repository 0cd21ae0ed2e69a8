import { spawn } from 'node:child_process'
import type { Account } from './accounts.ts'

export interface RunProgramOptions {
  /** Run as this account; only root may. */
  readonly account?: Account | undefined
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
  /** SIGKILL after this long. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface ProgramResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program to its end and returns what it printed. Its environment is only what is given,
 * so that no secret of ours reaches it, and its folder is `/`, which every account may enter.
 *
 * @throws the system's error (ENOENT, EACCES, EPERM) when it cannot be started, and the signal's
 * reason when aborted.
 */
export function runProgram(
  file: string,
  args: readonly string[],
  options: RunProgramOptions,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: '/',
      env: { ...options.environment },
      stdio: 'pipe',
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...(options.account ? { uid: options.account.uid, gid: options.account.gid } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    // A program that ends before it has read everything says so by its exit code.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    child.on('error', (error) =>
      reject(options.signal?.aborted ? (options.signal.reason as Error) : error),
    )
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}
