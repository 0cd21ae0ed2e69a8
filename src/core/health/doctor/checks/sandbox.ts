import type { Layer } from '../../sandbox/layer.ts'
import { checkSandbox } from '../../sandbox/check-sandbox.ts'
import type { Check, Doctor, Finding } from '../check.ts'

const group = 'sandbox'
/** Sandboxes are started and attacked: seconds on a machine that does nothing else. */
const limitMs = 30_000

/** Layers by their names in `kiln sandbox check`, and what each makes sure of. */
const layers: readonly (readonly [string, string])[] = [
  ['isolate', 'a script finds nothing of Node'],
  ['time', 'an endless loop is stopped'],
  ['watchdog', 'a builtin that nothing interrupts is stopped'],
  ['memory', 'a script that takes memory is stopped'],
  ['environment', 'no secret is in the environment of a sandbox'],
  ['account', 'sandboxes run under accounts of their own'],
  ['view', 'sandboxes have a file system of their own'],
  ['privileges', 'sandboxes have no privileges'],
  ['files', 'a sandbox reads and writes no file'],
  ['network', 'a sandbox opens no connection'],
  ['processes', 'a sandbox sees no other process'],
  ['programs', 'a sandbox starts no program'],
  ['kernel memory', 'the kernel stops an allocation of 2 GB'],
  ['kernel CPU', 'the kernel stops who uses up its CPU time'],
  ['duckdb', 'DuckDB runs in a process of its own behind the same walls'],
]

let tried: ReturnType<typeof checkSandbox> | undefined

export const sandboxChecks: readonly Check[] = layers.map(([name, title]) => ({
  id: `sandbox.${name.toLowerCase().replaceAll(' ', '-')}`,
  group,
  title,
  needs: 'settings',
  limitMs,
  look: (doctor) => findingOf(doctor, name),
}))

/** All layers are tried at once, whichever is asked for. */
async function findingOf({ settings }: Doctor, name: string): Promise<Finding> {
  tried ??= checkSandbox(settings)
  const layer: Layer | undefined = (await tried).layers.find((one) => one.name === name)
  if (!layer) return { status: 'skipped', fact: 'this system does not have it' }
  const { level: status, evidence: fact, hint } = layer
  return { status, fact, ...(hint === null ? {} : { mend: hint }) }
}
