import { createRequire } from 'node:module'
import type ivm from 'isolated-vm'

// The bench is a peer's home: only here isolated-vm stands outside of a sandbox.
const { Isolate } = createRequire(import.meta.url)('isolated-vm') as typeof ivm

/** Calls what a script exports in a fresh isolate of this process; returns the result as JSON. */
export async function runInIsolate(script: string): Promise<string> {
  const isolate = new Isolate({ memoryLimit: 256 })
  try {
    const context = await isolate.createContext()
    const module = await isolate.compileModule(script, { filename: 'bench.js' })
    await module.instantiate(context, () => {
      throw new Error('no imports')
    })
    await module.evaluate()
    const analyze = await module.namespace.get('default', { reference: true })
    const result: unknown = await analyze.apply(undefined, [], {
      result: { promise: true, copy: true },
      timeout: 1000,
    })
    return JSON.stringify(result)
  } finally {
    isolate.dispose()
  }
}

/** The same without a way through the thread pool: one at a time, and fewer turns. */
export function runInIsolateSync(script: string): string {
  const isolate = new Isolate({ memoryLimit: 256 })
  try {
    const context = isolate.createContextSync()
    const module = isolate.compileModuleSync(script, { filename: 'bench.js' })
    module.instantiateSync(context, () => {
      throw new Error('no imports')
    })
    module.evaluateSync()
    const analyze = module.namespace.getSync('default', { reference: true })
    const result: unknown = analyze.applySync(undefined, [], {
      result: { copy: true },
      timeout: 1000,
    })
    return JSON.stringify(result)
  } finally {
    isolate.dispose()
  }
}
