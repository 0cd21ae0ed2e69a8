import type { Post } from './guest/calls.ts'
import { entries } from './guest/entries.ts'
import { posts } from './guest/posts.ts'
import { bridgeFilename, guestSource } from './guest/source.ts'

/** The bridge; its value is the way in. */
export const bridgeCode = guestSource
export const bridgeOptions = { filename: bridgeFilename } as const

/** The function that the bridge evaluates to. */
type Enter = (entry: number, ...given: readonly unknown[]) => void

/** A small job that uses what most jobs use. */
const trialText = `({ default: async (params, ctx) => {
  ctx.log.info('text', 1, { a: 1 })
  await ctx.metadata.get('key')
  await ctx.datasource.a.query('select 1')
  return { at: ctx.now, rows: [{ a: 1, b: 'text', c: null, d: true, e: undefined }] }
} })`
const trialContext = JSON.stringify({ datasources: ['a'], job: {}, analysis: {}, project: {} })

/**
 * Compiling the bridge takes half of the time that a small job costs: this is what V8 has made of it
 * after a trial run, functions included that it compiles only when they are called, for every isolate
 * to come. Made of our own text, before or without any script in the process: V8 trusts such data
 * blindly, so it must never come from anywhere else.
 */
export async function makeBridgeCache(): Promise<Buffer> {
  // As in channel.ts; and a built sandbox has the cache.
  const { Script, createContext } = process.getBuiltinModule('node:vm')
  const script = new Script(bridgeCode, bridgeOptions)
  const realm = createContext()
  const enter = script.runInContext(realm) as Enter
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const post: Post = (kind, id, _name, text) => {
    if (kind === posts.call) setImmediate(() => enter(entries.deliver, id, true, 'null'))
    else if (kind === posts.done) resolve()
    else if (kind === posts.failed) reject(new Error(text))
  }
  enter(entries.begin, post, 100, 1000)
  const namespace: unknown = new Script(trialText).runInContext(realm)
  enter(entries.run, namespace, trialContext, '{}', Number.MAX_SAFE_INTEGER, 1000)
  await ended
  return script.createCachedData()
}
