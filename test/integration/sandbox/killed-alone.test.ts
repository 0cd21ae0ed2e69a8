/** A sandbox that is killed while its owner has nothing else to wait for. */
import { spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

const fixture = path.join(import.meta.dirname, 'fixture.ts')
const support = (name: string) => path.resolve(import.meta.dirname, '../../support', name)

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder('killed')
})
afterAll(() => folder.remove())

/** Stands in for the Node of sandboxes: a shell that starts it, so that each end comes when told. */
function nodeBehind(name: string, script: string): string {
  const file = path.join(folder.path, name)
  writeFileSync(file, `#!/bin/sh\n${script.replaceAll('NODE', process.execPath)}\n`)
  chmodSync(file, 0o755)
  return file
}

/** Runs in a process of its own, whose event loop nothing else keeps alive; what it prints. */
function ownerSays(nodePath: string, work: string): Promise<string> {
  const owner = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--disable-warning=ExperimentalWarning',
      '--eval',
      `import { descendantsOf } from ${JSON.stringify(support('descendants.ts'))}
      import { body, errorOf, openPool, runScript } from ${JSON.stringify(fixture)}
      const pool = openPool({ nodePath: ${JSON.stringify(nodePath)}, confiners: [], size: 1 })
      ${work}
      await pool.stop()
      console.log('stopped')`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  return text(owner.stdout)
}

it('hears of a sandbox whose pipes have ended before it did', async () => {
  const nodePath = nodeBehind(
    'slow-to-end',
    'NODE "$@" & exec >&- 2>&- 3>&- 4>&-; wait $!; code=$?; sleep 0.5; exit $code',
  )
  const said = await ownerSays(
    nodePath,
    `let pid = 0
    const ran = await runScript(pool, body('ctx.log("on"); for (;;);'), {
      onStarted: (sandbox) => (pid = sandbox.pid),
      onLog: () => process.kill(descendantsOf(pid)[0], 'SIGKILL'),
    })
    console.log(errorOf(ran).message)`,
  )
  expect(said).toBe('the sandbox process broke: exit code 137\nstopped\n')
})

it.each([
  ['and one of its pipes outlives it', 'sleep 1 >/dev/null 3>&- 4>&- & exec NODE "$@"'],
  ['and its pipes end with it', 'exec NODE "$@"'],
])('goes on after it has ended a sandbox, %s', async (which, script) => {
  const nodePath = nodeBehind(`node-${which.length}`, script)
  const work = `await runScript(pool, body('return 1'))`
  expect(await ownerSays(nodePath, work)).toBe('stopped\n')
})
