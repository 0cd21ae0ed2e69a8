import type { IncomingMessage } from 'node:http'
import { HttpProblem } from './http-problem.ts'

/** Parameters are small; more than this is a mistake or an attack. */
export const bodyLimitBytes = 1024 ** 2

/**
 * The JSON object in the body of a request.
 *
 * @throws HttpProblem CONTENT_TYPE_UNSUPPORTED, BODY_TOO_LARGE (before reading it, where its length
 * is announced), BODY_INVALID.
 */
export async function readJsonBody(
  request: IncomingMessage,
  allowBody: () => void,
): Promise<Readonly<Record<string, unknown>>> {
  requireJson(request)
  if (Number(request.headers['content-length'] ?? 0) > bodyLimitBytes) throw tooLarge()
  allowBody()
  const value = parse(await readBytes(request))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HttpProblem('BODY_INVALID', 'the body is not a JSON object')
  }
  return value as Readonly<Record<string, unknown>>
}

function requireJson(request: IncomingMessage): void {
  const type = request.headers['content-type'] ?? ''
  const encoding = request.headers['content-encoding'] ?? 'identity'
  const isJson = /^application\/json *(; *charset="?utf-8"? *)?$/i.test(type)
  // A compressed body could be a bomb.
  if (isJson && encoding === 'identity') return
  throw new HttpProblem('CONTENT_TYPE_UNSUPPORTED', 'the body must be JSON, not compressed', {
    hint: 'send the header: Content-Type: application/json',
  })
}

function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= bodyLimitBytes) {
        chunks.push(chunk)
        return
      }
      // Whoever answers reads no further and drops the connection.
      request.off('data', onData)
      reject(tooLarge())
    }
    request.on('data', onData)
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', () => reject(new HttpProblem('BODY_INVALID', 'the body is cut off')))
    request.on('close', () => reject(new HttpProblem('BODY_INVALID', 'the body is cut off')))
  })
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new HttpProblem('BODY_INVALID', 'the body is not valid JSON in UTF-8')
  }
}

const tooLarge = (): HttpProblem =>
  new HttpProblem('BODY_TOO_LARGE', `the body is larger than ${bodyLimitBytes} bytes`)
