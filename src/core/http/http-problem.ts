/** Refusals that only HTTP knows; those of core have their own codes (docs/errors.md). */
const statuses = {
  BODY_INVALID: 400,
  UNAUTHORIZED: 401,
  ROUTE_NOT_FOUND: 404,
  ROUTE_OFF: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE_UNSUPPORTED: 415,
} as const

export type HttpProblemCode = keyof typeof statuses

export interface HttpProblemOptions {
  readonly hint?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A request that is refused before core is asked. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly code: HttpProblemCode
  readonly hint: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(code: HttpProblemCode, message: string, options: HttpProblemOptions = {}) {
    super(message)
    this.code = code
    this.hint = options.hint
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return statuses[this.code]
  }
}
