/**
 * Runs in place of the sandbox process, started in the same way, and tries what a script could that
 * has broken out of its isolate and of V8. Changes nothing: what it manages to create it deletes.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { frameKinds } from '../frames.ts'
import { Channel } from '../process/channel.ts'
import type { AttemptResults, Attempts, ProbeRequest } from './attempts.ts'

const codeOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)

function attempt(work: () => void): string {
  try {
    work()
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}

async function tryAll(attempts: Attempts): Promise<AttemptResults> {
  const environment = Object.keys(process.env)
  const { parent } = attempts
  return {
    environment,
    read: Object.fromEntries(
      attempts.read.map((file) => [file, attempt(() => void readFileSync(file))]),
    ),
    write: Object.fromEntries(attempts.write.map((folder) => [folder, tryToWrite(folder)])),
    connect: await tryToConnect(attempts.connect),
    start: tryToStart(attempts.start),
    parentEnvironment: attempt(() => void readFileSync(`/proc/${parent}/environ`)),
    parentSignal: attempt(() => void process.kill(parent, 0)),
  }
}

function tryToWrite(folder: string): string {
  const file = path.join(folder, `kiln-probe-${process.pid}`)
  return attempt(() => {
    writeFileSync(file, '')
    rmSync(file)
  })
}

function tryToConnect(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve('done'))
    socket.once('error', (error) => resolve(codeOf(error)))
    socket.once('close', () => socket.destroy())
  })
}

function tryToStart(program: string): string {
  const { error, signal } = spawnSync(program, ['-c', 'exit 0'], { env: {} })
  return error ? codeOf(error) : (signal ?? 'done')
}

/** Touches every page: memory that is only reserved is nobody's loss. */
function allocate(bytes: number): string {
  const step = 64 * 1024 ** 2
  const held: Buffer[] = []
  return attempt(() => {
    while (held.length * step < bytes) held.push(Buffer.alloc(step, 1))
  })
}

async function perform(request: ProbeRequest): Promise<AttemptResults | string> {
  switch (request.kind) {
    case 'try':
      return tryAll(request)
    case 'allocate':
      return allocate(request.bytes)
    case 'spin':
      for (;;);
  }
}

const channel = new Channel(({ id, text }) => {
  void perform(JSON.parse(text) as ProbeRequest).then((answer) => {
    channel.send(frameKinds.done, id, JSON.stringify(answer))
  })
})
channel.send(frameKinds.ready, 0, '')
