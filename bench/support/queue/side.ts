import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'

/** One queue under measurement, in a process of its own, as it would be in production. */
export interface Side {
  readonly pid: number
  /** Runs a function that the process offers through `offer`; rejects with its error. */
  call<T>(name: string, ...args: readonly unknown[]): Promise<T>
  /** The next value that the process tells by itself. */
  told<T>(): Promise<T>
  stop(): Promise<void>
}

export type Program =
  | 'kiln'
  | 'graphile'
  | 'pg-boss'
  | 'isolates'
  | 'sandboxes'
  | 'graphile-cron'
  | 'pg-boss-cron'

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: string
  readonly told?: unknown
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

/** More than a side gives itself. */
const stopWithinMs = 15_000

/** Starts the program of a side; it gets `options` as JSON. */
export function startSide(program: Program, options: Readonly<Record<string, unknown>>): Side {
  const child = fork(
    path.join(import.meta.dirname, 'sides', `${program}.ts`),
    [JSON.stringify(options)],
    { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  )
  const calls = new Map<number, Waiting>()
  const listeners: Waiting[] = []
  const news: unknown[] = []
  let lastId = 0
  child.on('message', (message: Answer) => {
    if (message.id === undefined) {
      const listener = listeners.shift()
      if (listener) listener.resolve(message.told as never)
      else news.push(message.told)
      return
    }
    const call = calls.get(message.id)
    calls.delete(message.id)
    if (message.error === undefined) call?.resolve(message.result as never)
    else call?.reject(new Error(`${program}: ${message.error}`))
  })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      const error = new Error(`${program} ended with ${signal ?? code}`)
      for (const waiting of [...calls.values(), ...listeners]) waiting.reject(error)
      resolve()
    })
  })
  return {
    pid: pidOf(child),
    call: (name, ...args) =>
      new Promise((resolve, reject) => {
        if (!child.connected) {
          reject(new Error(`${program} has ended`))
          return
        }
        lastId += 1
        calls.set(lastId, { resolve, reject })
        child.send({ id: lastId, name, args })
      }),
    told: () =>
      news.length > 0
        ? Promise.resolve(news.shift() as never)
        : new Promise((resolve, reject) => listeners.push({ resolve, reject })),
    async stop() {
      // The program ends by itself once the channel is closed and its connections are.
      if (child.connected) child.disconnect()
      const kill = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
      await ended
      clearTimeout(kill)
    },
  }
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('cannot start a process')
  return child.pid
}
