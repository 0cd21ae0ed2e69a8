/**
 * The DuckDB process. Reads requests from fd 3, answers on fd 4, knows nothing else: no
 * environment, no credentials, no file but those of its job. When fd 3 ends, so does the process,
 * also when Kiln was killed.
 */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { FrameReader, encodeFrame } from '../frames.ts'
import { maxFrameBytes } from '../limits.ts'
import type { Reply, Request, Setup } from '../protocol.ts'
import { AbortedTransaction } from './aborted-transaction.ts'
import { Host } from './host.ts'
import { type Scrub, scrubberFor } from './scrub.ts'
import { openInstance } from './setup.ts'

let host: Host | undefined
let scrub: Scrub = (message) => message

async function answer({ id, operation }: Request): Promise<void> {
  try {
    if (operation.name === 'setup') {
      await start(operation.setup)
      return send({ id, value: null })
    }
    if (!host) throw new Error('not set up')
    const result = await host.handle(id, operation)
    if ('value' in result) return send({ id, value: result.value })
    send({ id, isText: result.rows !== null }, result.rows ?? [])
  } catch (error) {
    send({
      id,
      error: scrub(error instanceof Error ? error.message : String(error)),
      ...(error instanceof AbortedTransaction ? { isAborted: true } : {}),
    })
  }
}

async function start(setup: Setup): Promise<void> {
  scrub = scrubberFor(setup)
  process.chdir(setup.folder)
  host = new Host(await openInstance(setup), setup)
}

/** Blocks until Kiln has taken the bytes, which is the back-pressure. */
function send(reply: Reply, body: readonly Buffer[] = []): void {
  for (const part of encodeFrame(reply, body)) {
    for (let sent = 0; sent < part.length;) sent += writeSync(4, part, sent)
  }
}

const reader = new FrameReader(maxFrameBytes)
// A socket and not a file stream: reads of a file stream would hold one of the four threads on
// which DuckDB's calls run.
const input = new Socket({ fd: 3, readable: true, writable: false })
input.on('data', (chunk) => {
  for (const frame of reader.push(chunk)) void answer(frame.head as unknown as Request)
})
input.on('close', () => process.exit(0))
send({ id: 0, value: process.pid })
