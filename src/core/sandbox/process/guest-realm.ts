import ivm from 'isolated-vm'
import { bridgeCode, bridgeOptions } from './bridge-code.ts'
import type { Post } from './guest/calls.ts'

/**
 * Options without a prototype. isolated-vm looks them up through it, and where that is the script's,
 * `Object.prototype.reference = true` turns a result into a handle on an object of ours.
 */
const bare = <const Options extends object>(options: Options): Options =>
  Object.assign(Object.create(null) as Options, options)

const entryNames = ['limitLog', 'define', 'inspect', 'run', 'choose', 'deliver'] as const
type EntryName = (typeof entryNames)[number]

/**
 * One isolate with its context and bridge, for one script. Only numbers and texts cross; the script
 * gets no object of isolated-vm. Entries run on this thread and take their time limit with them,
 * since what resumes after a reply would have none otherwise.
 */
export class GuestRealm {
  readonly isolate: ivm.Isolate
  readonly memoryBytes: number
  /** What the bridge says. */
  onPost: Post = () => undefined
  private readonly context: ivm.Context
  private readonly entries: Readonly<Record<EntryName, ivm.Reference>>

  /** @param cachedData of `makeBridgeCache`; V8 compiles the bridge when it does not fit. */
  constructor(memoryBytes: number, cachedData?: ivm.ExternalCopy<ArrayBuffer>) {
    this.memoryBytes = memoryBytes
    // 8 MB is the least isolated-vm takes.
    const memoryLimit = Math.max(8, Math.ceil(memoryBytes / 1024 ** 2))
    this.isolate = new ivm.Isolate(bare({ memoryLimit }))
    this.context = this.isolate.createContextSync()
    const post = new ivm.Callback((...given: [number, number, string, string]) => {
      try {
        this.onPost(...given)
      } catch {
        // An error of ours would show the script our paths; the job fails by its own end.
      }
    })
    const code = this.isolate.compileScriptSync(
      bridgeCode,
      bare(cachedData ? { ...bridgeOptions, cachedData } : bridgeOptions),
    )
    const makeBridge = code.runSync(this.context, bare({ reference: true })) as ivm.Reference
    const api = makeBridge.applySync(
      undefined,
      [post],
      bare({ result: bare({ reference: true }) }),
    ) as ivm.Reference
    this.entries = Object.fromEntries(
      entryNames.map((name) => [name, api.getSync(name, bare({ reference: true }))]),
    ) as Record<EntryName, ivm.Reference>
  }

  /** Gives a module its imports, of which there are none. */
  link(module: ivm.Module, onImport: (specifier: string) => never): void {
    module.instantiateSync(this.context, onImport)
  }

  /** Runs the top level of a module and hands its exports to the bridge; false when it told why not. */
  define(module: ivm.Module, timeoutMs: () => number): boolean {
    module.evaluateSync(bare({ timeout: timeoutMs() }))
    return this.call('define', [module.namespace.derefInto()], timeoutMs()) === true
  }

  /** Calls a function of the bridge; what it returns to us is a primitive. */
  call(entry: EntryName, given: unknown[], timeoutMs: number): unknown {
    return this.entries[entry].applySync(undefined, given, bare({ timeout: timeoutMs }))
  }

  dispose(): void {
    if (!this.isolate.isDisposed) this.isolate.dispose()
  }
}
