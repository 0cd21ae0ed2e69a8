/**
 * The sandbox process. Runs one guest at a time, on this main thread, through the synchronous API:
 * there deep recursion is an ordinary error, where on a pool thread it would crash the process. The
 * executor alone decides about life and death; this side reports and enforces what it can.
 */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { FrameReader, encodeFrame, frameKinds } from '../frames.ts'
import { Guest, type GuestRequest } from './guest.ts'

const inputFd = 3
const outputFd = 4

// Node warns that stripping types is experimental; nobody reads this process' stderr for that.
process.removeAllListeners('warning')

/** Blocking writes: a guest that floods waits for the executor, it does not fill memory. */
function send(kind: number, id: number, text: string): void {
  const frame = encodeFrame(kind, id, text)
  let offset = 0
  while (offset < frame.length) {
    try {
      offset += writeSync(outputFd, frame, offset)
    } catch (error) {
      // The executor is gone: nobody is left to report to.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) die()
    }
  }
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}

let guest: Guest | undefined

const reader = new FrameReader((frame) => {
  switch (frame.kind) {
    case frameKinds.job:
    case frameKinds.inspect:
      guest = new Guest(JSON.parse(frame.text) as GuestRequest, {
        send,
        isInspection: frame.kind === frameKinds.inspect,
        onEnd: () => {
          guest = undefined
        },
      })
      guest.start()
      break
    case frameKinds.reply:
    case frameKinds.refusal:
      guest?.deliver(frame.id, frame.kind === frameKinds.reply, frame.text)
      break
    default:
      die()
  }
})

const input = new Socket({ fd: inputFd, readable: true, writable: false })
input.on('data', (chunk) => reader.push(chunk))
input.on('end', die)
input.on('error', die)

send(frameKinds.ready, 0, '')
