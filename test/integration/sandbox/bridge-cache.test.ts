/** In a process with the sandbox's flags: V8 refuses what was made under others. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { nodeFlags } from '../../../src/core/sandbox/start-command.ts'

const modulePath = path.resolve('src/core/sandbox/process/bridge-code.ts')

it('fits the isolates of its process, and no other text', async () => {
  const script = `
    import ivm from 'isolated-vm'
    const { bridgeCode, bridgeOptions, makeBridgeCache } = await import(${JSON.stringify(modulePath)})
    const { buffer, byteOffset, byteLength } = await makeBridgeCache()
    const cachedData = new ivm.ExternalCopy(buffer.slice(byteOffset, byteOffset + byteLength))
    const isRejected = (code) =>
      new ivm.Isolate().compileScriptSync(code, { ...bridgeOptions, cachedData }).cachedDataRejected
    console.log(JSON.stringify([isRejected(bridgeCode), isRejected(bridgeCode + ' ')]))`
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...nodeFlags,
    '--input-type=module',
    '--eval',
    script,
  ])
  expect(JSON.parse(stdout)).toEqual([false, true])
})

/** What V8 looks at before it takes a cache: its own version, the text's length, its flags. */
const stampOf = (base64: string): string => Buffer.from(base64, 'base64').toString('hex', 0, 16)

it('is in the built sandbox as that Node makes it', async () => {
  const entryPath = path.resolve('dist/processes/sandbox.js')
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...nodeFlags,
    entryPath,
    'bridge-cache',
  ])
  const shipped =
    /["`]([A-Za-z0-9+/=]{10000,})["`]/.exec(await readFile(entryPath, 'utf8'))?.[1] ?? ''
  expect(stampOf(shipped)).toBe(stampOf(stdout))
  expect(stampOf(shipped)).toHaveLength(32)
})
