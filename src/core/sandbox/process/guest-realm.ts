import ivm from 'isolated-vm'
import type { Post } from './guest/calls.ts'
import type { GuestConfig } from './guest/posts.ts'
import { guestSource } from './guest/source.ts'

/**
 * Options without a prototype: isolated-vm reads them with the script's realm at hand, where
 * `Object.prototype.reference = true` would turn a result into a handle on an object of ours.
 */
const bare = <const Options extends object>(options: Options): Options =>
  Object.assign(Object.create(null) as Options, options)

/**
 * One isolate with its context and bridge. Only numbers and texts cross; the script gets no object
 * of isolated-vm. Entries run on this thread and take their time limit with them, since what
 * resumes after a reply would have none otherwise.
 */
export class GuestRealm {
  readonly isolate: ivm.Isolate
  private readonly context: ivm.Context
  private readonly api: ivm.Reference
  private readonly entries = new Map<string, ivm.Reference>()

  constructor(memoryBytes: number, config: GuestConfig, onPost: Post) {
    // 8 MB is the least isolated-vm takes.
    const memoryLimit = Math.max(8, Math.ceil(memoryBytes / 1024 ** 2))
    this.isolate = new ivm.Isolate(bare({ memoryLimit }))
    this.context = this.isolate.createContextSync()
    const post = new ivm.Callback((...given: [number, number, string, string]) => {
      try {
        onPost(...given)
      } catch {
        // An error of ours would show the script our paths; the job fails by its own end.
      }
    })
    this.api = this.context.evalClosureSync(
      guestSource,
      [post, config],
      bare({
        filename: '<kiln>',
        result: bare({ reference: true }),
        arguments: bare({ copy: true }),
      }),
    ) as ivm.Reference
  }

  /** Runs the top level of a module and hands its exports to the bridge; false when it told why not. */
  define(module: ivm.Module, timeoutMs: () => number): boolean {
    module.evaluateSync(bare({ timeout: timeoutMs() }))
    return this.call('define', [module.namespace.derefInto()], timeoutMs()) === true
  }

  /** Gives a module its imports, of which there are none. */
  link(module: ivm.Module, onImport: (specifier: string) => never): void {
    module.instantiateSync(this.context, onImport)
  }

  /** Calls a function of the bridge; what it returns to us is a primitive. */
  call(entry: string, given: unknown[], timeoutMs: number): unknown {
    let reference = this.entries.get(entry)
    if (!reference) {
      reference = this.api.getSync(entry, bare({ reference: true })) as ivm.Reference
      this.entries.set(entry, reference)
    }
    return reference.applySync(undefined, given, bare({ timeout: timeoutMs }))
  }

  dispose(): void {
    if (!this.isolate.isDisposed) this.isolate.dispose()
  }
}
