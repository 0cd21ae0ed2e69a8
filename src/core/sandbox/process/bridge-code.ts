import { setImmediate as nextTurn } from 'node:timers/promises'
import { Script, createContext } from 'node:vm'
import ivm from 'isolated-vm'
import type { Post } from './guest/calls.ts'
import { posts } from './guest/posts.ts'
import { guestSource } from './guest/source.ts'

/** The bridge as a function expression of one parameter, which posts. */
export const bridgeCode = `(function ($0) {${guestSource}\n})`
export const bridgeOptions = { filename: '<kiln>' } as const

/** What the bridge returns, as far as it is used here. */
interface Bridge {
  limitLog(lines: number, bytes: number): void
  define(namespace: object): boolean
  run(about: string, parameters: string, stopAt: number, maxChars: number): void
  deliver(id: number, isReply: boolean, text: string): void
}

/** A small job that uses what most jobs use. */
const trialText = `({ default: async (params, ctx) => {
  ctx.log.info('text', 1, { a: 1 })
  await ctx.metadata.get('key')
  return { rows: [{ a: 1, b: 'text', c: null, d: true, e: undefined }] }
} })`
const trialContext = JSON.stringify({ datasources: ['a'], job: {}, analysis: {}, project: {} })

/**
 * Compiling the bridge takes half of the time that a small job costs: this is what V8 has made of it
 * after a trial run, functions included that it compiles only when they are called, for every isolate
 * to come. Made of our own text in the process that uses it: V8 trusts such data blindly, so it must
 * never come from anywhere else.
 */
export async function makeBridgeCache(): Promise<ivm.ExternalCopy<ArrayBuffer>> {
  const script = new Script(bridgeCode, bridgeOptions)
  const realm = createContext()
  const makeBridge = script.runInContext(realm) as (post: Post) => Bridge
  const bridge = makeBridge((kind, id) => {
    if (kind === posts.call) setImmediate(() => bridge.deliver(id, true, 'null'))
  })
  bridge.limitLog(100, 1000)
  bridge.define(new Script(trialText).runInContext(realm) as object)
  bridge.run(trialContext, '{}', Number.MAX_SAFE_INTEGER, 1000)
  // Its promises settle in between.
  await nextTurn()
  await nextTurn()
  const { buffer, byteOffset, byteLength } = script.createCachedData()
  return new ivm.ExternalCopy(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer)
}
