import { errorCodeOf, messageOf } from '../errors/index.ts'

/** No answer of a service is as long. */
const longestAnswer = 64 * 1024

/** Not `fetch`: that refuses ports which browsers do, and is slower to load. */
export async function getText(
  url: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const { get } = await (url.startsWith('https:') ? import('node:https') : import('node:http'))
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

/** Why there was no answer, in words of who asks and not of the library. */
export function whyNoAnswer(error: unknown): string {
  const code = String(errorCodeOf(error))
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no host of that name'
  if (code === 'ECONNRESET' && messageOf(error) === 'aborted') return 'it broke off its answer'
  if (code === 'ECONNRESET') return 'it closed the connection and did not answer'
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return 'what answers there does not speak TLS'
  if (code.startsWith('HPE_')) return 'what answers there does not speak HTTP'
  return messageOf(error)
}
