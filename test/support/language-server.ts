import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** What an editor asks of TypeScript, over the protocol that editors use. */
export interface LanguageServer {
  /** Names that are offered at the place of `|>` in a file's text. */
  completionsAt(file: string, textWithCursor: string): Promise<readonly string[]>
  /** Messages about a file's text. */
  problemsOf(file: string, text: string): Promise<readonly string[]>
  stop(): Promise<void>
}

interface Reply {
  readonly id?: number
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** Starts TypeScript's own language server on a folder. */
export async function startLanguageServer(folder: string): Promise<LanguageServer> {
  const tsc = path.join(
    path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
    'bin/tsc',
  )
  const server = spawn(process.execPath, [tsc, '--lsp', '--stdio'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const exited = new Promise<void>((resolve) => server.on('close', () => resolve()))
  const waiting = new Map<number, (reply: Reply) => void>()
  let lastId = 0
  let unread = Buffer.alloc(0)

  const send = (message: object): void => {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    server.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  }
  const ask = async (method: string, params?: unknown): Promise<unknown> => {
    lastId += 1
    const id = lastId
    const reply = await new Promise<Reply>((resolve) => {
      waiting.set(id, resolve)
      send({ id, method, params })
    })
    if (reply.error) throw new Error(`${method}: ${reply.error.message}`)
    return reply.result
  }
  const receive = (reply: Reply): void => {
    // Its own questions (settings, capabilities) have no answer here.
    if (reply.method !== undefined) {
      if (reply.id !== undefined) send({ id: reply.id, result: null })
      return
    }
    waiting.get(reply.id ?? -1)?.(reply)
  }
  server.stdout.on('data', (bytes: Buffer) => {
    unread = Buffer.concat([unread, bytes])
    for (;;) {
      const end = unread.indexOf('\r\n\r\n')
      const length = Number(/Content-Length: (\d+)/.exec(unread.subarray(0, end).toString())?.[1])
      if (end < 0 || unread.length < end + 4 + length) return
      const text = unread.subarray(end + 4, end + 4 + length).toString()
      unread = unread.subarray(end + 4 + length)
      receive(JSON.parse(text) as Reply)
    }
  })

  const textDocument = (file: string) => ({ uri: pathToFileURL(file).href })
  let version = 0
  const show = (file: string, text: string): void => {
    version += 1
    if (version > 1)
      send({ method: 'textDocument/didClose', params: { textDocument: textDocument(file) } })
    const languageId = file.endsWith('.ts') ? 'typescript' : 'javascript'
    send({
      method: 'textDocument/didOpen',
      params: { textDocument: { ...textDocument(file), languageId, version, text } },
    })
  }

  await ask('initialize', {
    processId: process.pid,
    rootUri: pathToFileURL(folder).href,
    capabilities: {},
  })
  send({ method: 'initialized', params: {} })
  return {
    async completionsAt(file, textWithCursor) {
      const at = textWithCursor.indexOf('|>')
      const before = textWithCursor.slice(0, at)
      show(file, before + textWithCursor.slice(at + 2))
      const lines = before.split('\n')
      const found = (await ask('textDocument/completion', {
        textDocument: textDocument(file),
        position: { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 },
      })) as { items: { label: string }[] } | { label: string }[] | null
      const items = Array.isArray(found) ? found : (found?.items ?? [])
      // An optional field carries a question mark.
      return items.map(({ label }) => label.replace(/\?$/, ''))
    },
    async problemsOf(file, text) {
      show(file, text)
      const report = (await ask('textDocument/diagnostic', {
        textDocument: textDocument(file),
      })) as { items: { message: string }[] }
      return report.items.map(({ message }) => message)
    },
    async stop() {
      await ask('shutdown')
      send({ method: 'exit' })
      server.stdin.end()
      await exited
    },
  }
}
