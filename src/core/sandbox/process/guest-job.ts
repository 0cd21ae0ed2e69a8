import { formatDuration, formatSize } from '../../units/index.ts'
import { type SandboxError, calledNames } from '../contract.ts'
import { frameKinds } from '../frames.ts'
import type { Channel } from './channel.ts'
import { CompileError, compileScript } from './compile-script.ts'
import { explainImport, importError } from './explain-import.ts'
import { entries } from './guest/entries.ts'
import { posts } from './guest/posts.ts'
import type { GuestRealm } from './guest-realm.ts'
import type { RealmStock } from './realm-stock.ts'
import { Reporter } from './reporter.ts'
import type { GuestRequest } from './request.ts'
import { type Thrown, scriptError } from './script-error.ts'
import { Sleeps } from './sleeps.ts'
import { TimeBudget } from './time-budget.ts'

/** One job or inspection in an isolate of its own, from its request to its one terminal frame. */
export class GuestJob {
  private readonly channel: Channel
  private readonly stock: RealmStock
  private readonly id: number
  private readonly request: GuestRequest
  private readonly time: TimeBudget
  private readonly reporter: Reporter
  private readonly sleeps = new Sleeps((id) => this.deliver(id, true, 'null'))
  /** Operations whose reply is awaited. */
  private readonly waitingFor = new Map<number, string>()
  private realm: GuestRealm | undefined
  private end: { readonly kind: number; readonly text: string } | undefined
  private isOver = false

  constructor(channel: Channel, stock: RealmStock, id: number, request: GuestRequest) {
    this.channel = channel
    this.stock = stock
    this.id = id
    this.request = request
    this.time = new TimeBudget(request.limits, () => this.timeEnded())
    this.reporter = new Reporter(channel, request.limits)
  }

  start(): void {
    this.enter(() => {
      const { limits, script } = this.request
      const realm = this.stock.take(limits.memoryBytes)
      this.realm = realm
      realm.onPost = this.post
      const log = [limits.logLines, limits.logBytes]
      realm.enter(entries.begin, [realm.post, ...log], this.time.entryMs())
      const { module, language } = compileScript(realm.isolate, script)
      realm.link(module, (specifier) => {
        throw new CompileError(importError(script.source, specifier))
      })
      const exported = realm.evaluate(module, this.time.entryMs())
      if (this.request.kind === 'inspect') {
        const given = [exported, language, limits.definitionBytes]
        realm.enter(entries.inspect, given, this.time.entryMs())
      } else this.run(realm, exported)
    })
    if (!this.isOver) this.time.watchWallTime()
  }

  private run(realm: GuestRealm, exported: unknown): void {
    const { contextText, parametersText, limits, optionsOf } = this.request
    const stopAt = Date.now() + stopAfterMs(limits.timeoutMs)
    const given = [exported, contextText, parametersText, stopAt, limits.resultBytes]
    if (optionsOf === undefined) realm.enter(entries.run, given, this.time.entryMs())
    else realm.enter(entries.choose, [...given, optionsOf], this.time.entryMs())
  }

  /** A reply of the executor, or the end of a sleep. */
  deliver(id: number, isReply: boolean, text: string): void {
    this.waitingFor.delete(id)
    const given = [id, isReply, text]
    this.enter(() => this.realm?.enter(entries.deliver, given, this.time.entryMs()))
  }

  /** What the bridge in the isolate says; called while the script runs. */
  private readonly post = (kind: number, id: number, name: string, text: string): void => {
    if (this.end) return
    switch (kind) {
      case posts.call:
        this.waitingFor.set(id, name)
        if (name === 'sleep') this.sleeps.start(id, text)
        else this.channel.send(frameKinds.call, id, `${name}\n${text}`)
        return
      case posts.log:
        this.reporter.log(id, text, name === 'dropped')
        return
      case posts.progress:
        this.reporter.setProgress(text)
        return
      case posts.done:
        this.done(text)
        return
      case posts.inspected:
        this.end = { kind: frameKinds.inspected, text }
        return
      default:
        this.failedInside(JSON.parse(text) as Thrown & { code: string })
    }
  }

  /** Every way into the isolate goes through here: its time is counted, its end is noticed. */
  private enter(work: () => void): void {
    if (this.isOver) return
    try {
      this.time.measure(work)
    } catch (thrown) {
      this.end ??= this.failure(this.errorOf(thrown))
    }
    if (!this.end && this.time.spent()) this.timeEnded()
    if (this.end) this.finish(this.end)
  }

  private done(text: string): void {
    const { resultBytes } = this.request.limits
    this.end =
      Buffer.byteLength(text) > resultBytes
        ? this.failure(this.tooLarge())
        : { kind: frameKinds.done, text }
  }

  private failedInside(thrown: Thrown & { readonly code: string }): void {
    const code = thrown.code || 'script_error'
    const error =
      code === 'result_too_large'
        ? this.tooLarge()
        : this.known(scriptError(code, thrown, this.request.script.filename))
    this.end = this.failure(error)
  }

  /** What an entry ended with, when it was not the bridge that told. */
  private errorOf(thrown: unknown): SandboxError {
    const { script, kind, limits } = this.request
    if (thrown instanceof CompileError) return thrown.error
    const error = (thrown ?? {}) as Thrown
    const place = scriptError('', error, script.filename)
    if (this.realm?.isolate.isDisposed) return this.outOfMemory()
    const spent = this.time.spent()
    if (spent && error.message === 'Script execution timed out.') {
      return { ...place, code: 'timeout', name: '', message: timeoutMessage(spent, limits) }
    }
    const code = kind === 'inspect' ? 'definition_error' : 'script_error'
    // What is no error crosses the border as a primitive.
    const message =
      typeof thrown === 'object' ? place.message : `${thrown as string}`.slice(0, 8192)
    return this.known({ ...place, code, message })
  }

  /** Gives errors of the engine that stand for a rule of ours the words of that rule. */
  private known(error: SandboxError): SandboxError {
    if (error.name === 'RangeError' && error.message === 'Array buffer allocation failed') {
      return { ...error, code: 'memory_limit', name: '', message: this.outOfMemory().message }
    }
    if (error.name === 'RangeError' && tooLargeForEngine.has(error.message)) {
      const message = `the script went over a memory limit of the engine: ${error.message}`
      return { ...error, code: 'memory_limit', name: '', message }
    }
    return explainImport(error, this.request.script.source)
  }

  private timeEnded(): void {
    if (this.isOver) return
    const { limits } = this.request
    const spent = this.time.spent() ?? 'wall'
    const waiting = spent === 'wall' ? `, waiting for ${this.awaited()}` : ''
    this.finish(this.failure(plainError('timeout', timeoutMessage(spent, limits) + waiting)))
  }

  private awaited(): string {
    const waits = [...this.waitingFor.values()].map((name) => `ctx.${calledNames[name] ?? name}`)
    const names = [...new Set(waits)]
    return names.length === 0 ? 'a promise that nothing has settled' : names.join(', ')
  }

  private outOfMemory(): SandboxError {
    const limit = formatSize(this.request.limits.memoryBytes)
    return plainError('memory_limit', `the script went over its memory limit of ${limit}`)
  }

  private tooLarge(): SandboxError {
    const limit = formatSize(this.request.limits.resultBytes)
    return plainError(
      'result_too_large',
      `the result is larger than ${limit}: aggregate it, or write it to a table`,
    )
  }

  private failure(error: SandboxError): { readonly kind: number; readonly text: string } {
    return { kind: frameKinds.failed, text: JSON.stringify(error) }
  }

  private finish(end: { readonly kind: number; readonly text: string }): void {
    this.isOver = true
    this.time.stop()
    this.sleeps.stop()
    this.reporter.end()
    this.channel.send(end.kind, this.id, end.text)
    // After the answer: taking a large heap down may take a while.
    this.stock.prepare(this.request.limits.memoryBytes)
  }
}

/** One value of half a gigabyte or more (a text, an integer), or 16 million keys of one map. */
const tooLargeForEngine: ReadonlySet<string> = new Set([
  'Invalid string length',
  'Maximum BigInt size exceeded',
  'Map maximum size exceeded',
  'Set maximum size exceeded',
])

/** When `ctx.shouldStop()` turns true: with 5 % of the time left, or a second, or half of it. */
const stopAfterMs = (timeoutMs: number): number =>
  Math.min(0.95 * timeoutMs, Math.max(timeoutMs - 1000, timeoutMs / 2))

const plainError = (code: string, message: string): SandboxError => ({
  code,
  name: '',
  message,
  line: null,
  column: null,
  stack: '',
})

const timeoutMessage = (
  spent: 'wall' | 'running',
  limits: { readonly timeoutMs: number; readonly runningMs: number },
): string =>
  spent === 'wall'
    ? `execution timeout: the job took longer than ${formatDuration(limits.timeoutMs)}`
    : `execution timeout: the script ran longer than ${formatDuration(limits.runningMs)}`
