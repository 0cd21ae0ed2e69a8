/** What stops a job. Its signal is made when somebody asks for it: most jobs never need one. */
export class Interruption {
  private controller: AbortController | undefined

  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    return this.controller.signal
  }

  get isAborted(): boolean {
    return this.controller?.signal.aborted ?? false
  }

  abort(reason: Error): void {
    this.controller ??= new AbortController()
    this.controller.abort(reason)
  }
}
