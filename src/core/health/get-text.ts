import { errorCodeOf, messageOf } from '../errors/index.ts'

/** No answer of a service is as long. */
const longestAnswer = 64 * 1024

/**
 * Not `fetch`: that refuses ports which browsers do and URLs with a user and a password, which go as basic
 * authentication here, and is slower to load.
 */
export async function getText(
  url: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  // Not imported: see http/http-server.ts.
  const { get } = process.getBuiltinModule(url.startsWith('https:') ? 'node:https' : 'node:http')
  return new Promise((resolve, reject) => {
    get(url, { signal, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > longestAnswer) response.destroy(new Error('the answer has no end'))
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    }).on('error', reject)
  })
}

const unreachable = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'])

const unknownIssuer =
  'its certificate is not trusted here: let NODE_EXTRA_CA_CERTS name a file with that of who signed it'
const certificates: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownIssuer,
  SELF_SIGNED_CERT_IN_CHAIN: unknownIssuer,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownIssuer,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for a host of another name',
}

/** Why there was no answer, in words of who asks and not of the library. */
export function whyNoAnswer(error: unknown): string {
  const code = String(errorCodeOf(error))
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no host of that name'
  if (code === 'ECONNRESET' && messageOf(error) === 'aborted') return 'it broke off its answer'
  if (code === 'ECONNRESET') return 'it closed the connection and did not answer'
  if (unreachable.has(code)) return 'that host cannot be reached from here'
  if (error instanceof URIError) return 'a % in the user or password of its URL has to be %25'
  if (code in certificates) return certificates[code] ?? ''
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return 'what answers there does not speak TLS'
  if (code.startsWith('HPE_')) return 'what answers there does not speak HTTP'
  return messageOf(error)
}
