import { type Frame, FrameReader, encodeFrame } from '../frames.ts'

// Not imported: for an import Node loads what each export stands for, of `fs` its streams and promises.
const { writeSync } = process.getBuiltinModule('node:fs')
const { Socket } = process.getBuiltinModule('node:net')

const inputDescriptor = 3
const outputDescriptor = 4
const readBytes = 65_536

/** Ends this process at once: `process.exit` hangs or crashes while an isolate is busy. */
const end = (): never => {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('ending')
}

/**
 * The pipes to the executor. Writing blocks: the event loop does not turn while a script runs, and
 * a script that says more than the executor takes has to wait. Without an executor the process ends.
 */
export class Channel {
  constructor(onFrame: (frame: Frame) => void) {
    const reader = new FrameReader(onFrame)
    const buffer = Buffer.allocUnsafe(readBytes)
    // Handed over as they come: on the way through a stream a small job meets more code of Node's than
    // of ours, and in the fiftieth of fifty processes none of it is in the caches.
    const onread = {
      buffer,
      callback(length: number): boolean {
        reader.push(buffer.subarray(0, length))
        return true
      },
    }
    const input = new Socket({ fd: inputDescriptor, readable: true, writable: false, onread })
    input.on('error', end)
    input.on('end', end)
  }

  send(kind: number, id: number, text: string): void {
    const frame = encodeFrame(kind, id, text)
    let written = 0
    try {
      while (written < frame.length) written += writeSync(outputDescriptor, frame, written)
    } catch {
      end()
    }
  }
}
