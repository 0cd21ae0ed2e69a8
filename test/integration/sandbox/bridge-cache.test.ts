/** In a process with the sandbox's flags: V8 refuses what was made under others. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { nodeFlags } from '../../../src/core/sandbox/start-command.ts'

const modulePath = path.resolve('src/core/sandbox/process/bridge-code.ts')

it('fits the isolates of its process, and no other text', async () => {
  const script = `
    import ivm from 'isolated-vm'
    const { bridgeCode, bridgeOptions, makeBridgeCache } = await import(${JSON.stringify(modulePath)})
    const cachedData = await makeBridgeCache()
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
