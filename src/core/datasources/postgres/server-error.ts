import { KilnError } from '../../errors/index.ts'

/** The fields of an ErrorResponse that are worth passing on, by the protocol's letters. */
export interface ServerError {
  readonly sqlstate: string
  readonly message: string
  readonly detail: string | undefined
  readonly hint: string | undefined
}

export function readServerError(body: Buffer): ServerError {
  const fields = new Map<string, string>()
  let offset = 0
  while (offset < body.length && body[offset] !== 0) {
    const end = body.indexOf(0, offset + 1)
    if (end < 0) break
    fields.set(String.fromCharCode(body[offset] as number), body.toString('utf8', offset + 1, end))
    offset = end + 1
  }
  return {
    sqlstate: fields.get('C') ?? 'XX000',
    message: fields.get('M') ?? 'unknown error',
    detail: fields.get('D'),
    hint: fields.get('H'),
  }
}

/** The server's own words, which carry no credentials; a timeout says which limit it was. */
export function statementError(error: ServerError, timeoutMs: number): KilnError {
  const isTimeout = error.sqlstate === '57014' && /statement timeout/.test(error.message)
  const message = isTimeout
    ? `the query ran longer than ${timeoutMs} ms and was cancelled`
    : error.message
  const detail = error.detail === undefined ? '' : ` (${error.detail})`
  return new KilnError('DATASOURCE_ERROR', `database error: ${message}${detail}`, {
    details: { sqlstate: error.sqlstate },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}
