/**
 * The sandbox process: takes one request at a time from the executor and answers it. Holds no
 * secret, opens no file, knows no address; what a script breaks out of is this.
 */
import { type Frame, frameKinds } from '../frames.ts'
import { makeBridgeCache } from './bridge-code.ts'
import { Channel } from './channel.ts'
import { GuestJob } from './guest-job.ts'
import { RealmStock } from './realm-stock.ts'
import type { GuestRequest } from './request.ts'

function serve(memoryBytes: number): void {
  const stock = new RealmStock()
  let job: GuestJob | undefined
  const channel = new Channel(({ kind, id, text }: Frame) => {
    switch (kind) {
      case frameKinds.request:
        job = new GuestJob(channel, stock, id, JSON.parse(text) as GuestRequest)
        job.start()
        return
      case frameKinds.reply:
      case frameKinds.refusal:
        // It may be a late one, for a job that has ended.
        job?.deliver(id, kind === frameKinds.reply, text)
        return
      default:
        throw new Error(`frame ${kind} is not for a sandbox`)
    }
  })
  channel.send(frameKinds.ready, 0, '')
  stock.prepare(memoryBytes)
}

// For this process's own isolate, which has it by now: those of scripts have what their limit allows.
process.getBuiltinModule('node:v8').setFlagsFromString('--max-semi-space-size=0')

const [, , task] = process.argv
// The build asks for what it then writes into this program.
if (task === 'bridge-cache') process.stdout.write((await makeBridgeCache()).toString('base64'))
else serve(Number(task))
