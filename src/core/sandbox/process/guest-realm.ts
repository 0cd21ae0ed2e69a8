import type ivm from 'isolated-vm'
import { bridgeCode, bridgeOptions } from './bridge-code.ts'
import type { Post } from './guest/calls.ts'
import type { entries } from './guest/entries.ts'
import { isolatedVm } from './isolated-vm.ts'

// Options have no prototype. isolated-vm looks them up through it, and where that is the script's,
// `Object.prototype.reference = true` turns a result into a handle on an object of ours.
const asReference = { __proto__: null, reference: true } as const

interface Listener {
  onPost: Post
}

const deaf: Post = () => undefined

/**
 * isolated-vm holds the function of a callback until the callback is garbage. It must therefore see
 * nothing but the listener: a way from it to the callback, through realm or job, would keep all of
 * them for the life of the process, 10 KB a job.
 */
const callbackOf = (listener: Listener): ivm.Callback =>
  new isolatedVm.Callback((...given: [number, number, string, string]) => {
    try {
      listener.onPost(...given)
    } catch {
      // An error of ours would show the script our paths; the job fails by its own end.
    }
  })

/**
 * One isolate with its context and bridge, for one script. Only numbers and texts cross; the script
 * gets no object of isolated-vm. Entries run on this thread and take their time limit with them,
 * since what resumes after a reply would have none otherwise.
 */
export class GuestRealm {
  readonly isolate: ivm.Isolate
  readonly memoryBytes: number
  /** What V8 was given to save compiling the bridge does not fit this V8. */
  readonly isCacheRejected: boolean
  private readonly listener: Listener = { onPost: deaf }
  /** The bridge takes it with the first entry. */
  readonly post = callbackOf(this.listener)
  private readonly context: ivm.Context
  /** The one way in: each further handle would cost every job its part. */
  private readonly bridge: ivm.Reference

  /** @param cachedData of `makeBridgeCache`; V8 compiles the bridge when it does not fit. */
  constructor(memoryBytes: number, cachedData?: ivm.ExternalCopy<ArrayBuffer>) {
    this.memoryBytes = memoryBytes
    // 8 MB is the least isolated-vm takes.
    const memoryLimit = Math.max(8, Math.ceil(memoryBytes / 1024 ** 2))
    const isolateOptions = { __proto__: null, memoryLimit }
    this.isolate = new isolatedVm.Isolate(isolateOptions)
    this.context = this.isolate.createContextSync()
    const scriptOptions = { __proto__: null, ...bridgeOptions, ...(cachedData && { cachedData }) }
    const code = this.isolate.compileScriptSync(bridgeCode, scriptOptions)
    // Its types leave this out.
    this.isCacheRejected = (code as { cachedDataRejected?: boolean }).cachedDataRejected === true
    this.bridge = code.runSync(this.context, asReference) as ivm.Reference
  }

  /** What the bridge says, from now on. */
  set onPost(onPost: Post) {
    this.listener.onPost = onPost
  }

  /** Gives a module its imports, of which there are none. */
  link(module: ivm.Module, onImport: (specifier: string) => never): void {
    module.instantiateSync(this.context, onImport)
  }

  /** Runs the top level of a module; returns its exports, for the bridge. */
  evaluate(module: ivm.Module, timeoutMs: number): unknown {
    const runOptions = { __proto__: null, timeout: timeoutMs }
    module.evaluateSync(runOptions)
    return module.namespace.derefInto()
  }

  /** Calls the bridge, which returns nothing. */
  enter(
    entry: (typeof entries)[keyof typeof entries],
    given: readonly unknown[],
    timeoutMs: number,
  ): void {
    const runOptions = { __proto__: null, timeout: timeoutMs }
    this.bridge.applySync(undefined, [entry, ...given], runOptions)
  }

  dispose(): void {
    this.listener.onPost = deaf
    if (!this.isolate.isDisposed) this.isolate.dispose()
  }
}
