import type { ProbeResults } from '../../sandbox/index.ts'
import { type Layer, active, broken } from './layer.ts'

/** What a shell, bwrap and we set; none of it tells anything. */
const harmless = new Set(['TZ', 'PWD', 'OLDPWD', 'SHLVL', '_'])

const viewHint =
  'install bubblewrap (apt-get install bubblewrap), and allow user namespaces; a container needs --security-opt seccomp=unconfined, or its own limits'

/** What the probe's attempts say of the walls of the operating system. */
export function judgeProbe(probe: ProbeResults, ownFile: string): Layer[] {
  return [
    environmentLayer(probe),
    accountLayer(probe),
    viewLayer(probe),
    privilegeLayer(probe),
    filesLayer(probe, ownFile),
    attemptLayer(probe, 'network', 'connecting to this host', probe.attempts.connect),
    processLayer(probe),
    attemptLayer(probe, 'programs', 'starting /bin/sh', probe.attempts.start),
    kernelLayer('kernel memory', 'taking 2 GB', probe.allocate),
    kernelLayer('kernel CPU', 'using up a CPU limit of 1 s', probe.spin),
  ]
}

function environmentLayer({ attempts }: ProbeResults): Layer {
  const names = attempts.environment.filter((name) => !harmless.has(name))
  return names.length === 0
    ? active('environment', `its environment holds ${attempts.environment.join(', ') || 'nothing'}`)
    : broken('environment', `its environment holds ${names.join(', ')}`)
}

/** Critical only where nothing else separates scripts from us. */
const levelWithout = ({ walls }: ProbeResults): 'warning' | 'critical' =>
  walls.account.kind === 'own' || walls.view.kind !== 'none' ? 'warning' : 'critical'

function accountLayer(probe: ProbeResults): Layer {
  const { account } = probe.walls
  const uid = probe.privileges?.uid
  if (account.kind === 'own' && (uid === undefined || uid !== process.getuid?.())) {
    return active('account', `runs as uid ${uid ?? 'unknown'}, which owns nothing`)
  }
  const isRoot = process.getuid?.() === 0
  return {
    name: 'account',
    state: isRoot ? 'inactive' : 'unavailable',
    level: levelWithout(probe),
    evidence: `runs as our account: ${account.reason ?? `uid ${uid}`}`,
    hint: isRoot
      ? 'install Kiln where every account may read it, such as /opt/kiln'
      : 'start the service as root (deploy/kiln.service takes all other rights from it)',
  }
}

/** What makes the four layers of files, network, processes and programs. */
function viewLayer(probe: ProbeResults): Layer {
  const { kind, reason } = probe.walls.view
  if (kind !== 'none') return active('view', `${kind} gives it a view of its own`)
  return {
    name: 'view',
    state: 'unavailable',
    level: levelWithout(probe),
    evidence: reason ?? 'nothing gives it a view of its own',
    hint: viewHint,
  }
}

function privilegeLayer({ privileges }: ProbeResults): Layer {
  const name = 'privileges'
  if (!privileges) {
    return {
      name,
      state: 'unavailable',
      level: 'warning',
      evidence: 'this system has no /proc to look at',
      hint: 'run Kiln on Linux',
    }
  }
  const { canGainPrivileges, capabilities } = privileges
  const has = !/^0*$/.test(capabilities)
  if (!canGainPrivileges && !has) return active(name, 'has no capability and can gain none')
  return {
    name,
    state: 'inactive',
    level: has ? 'critical' : 'warning',
    evidence: [
      has ? `has capabilities ${capabilities}` : 'has no capability',
      canGainPrivileges ? 'may gain privileges from programs it starts' : 'can gain none',
    ].join(', '),
    hint: has
      ? 'start Kiln as root with a package that all can read, or not as root'
      : 'install util-linux (setpriv)',
  }
}

function filesLayer(probe: ProbeResults, ownFile: string): Layer {
  const { read, write } = probe.attempts
  const readable = Object.keys(read).filter((file) => read[file] === 'done')
  const written = Object.keys(write).filter((folder) => write[folder] === 'done')
  const got = [
    ...readable.map((file) => (file === ownFile ? 'a file of ours with mode 0600' : file)),
    ...written.map((folder) => `wrote in ${folder}`),
  ]
  if (got.length === 0) {
    const tried = Object.keys(read).length + Object.keys(write).length
    return active('files', `none of ${tried} files and folders could be read or written`)
  }
  return open(probe, 'files', `reached ${got.join(', ')}`)
}

function attemptLayer(probe: ProbeResults, name: string, what: string, result: string): Layer {
  if (result !== 'done') return active(name, `${what} fails: ${result}`)
  return open(probe, name, `${what} succeeds`)
}

function processLayer(probe: ProbeResults): Layer {
  const { parentEnvironment, parentSignal } = probe.attempts
  if (parentEnvironment !== 'done' && parentSignal !== 'done') {
    const evidence = `reading our environment in /proc fails: ${parentEnvironment}; signalling us: ${parentSignal}`
    return active('processes', evidence)
  }
  const got = [
    parentEnvironment === 'done' ? 'read our environment in /proc' : '',
    parentSignal === 'done' ? 'may signal us' : '',
  ].filter(Boolean)
  return open(probe, 'processes', got.join(', '))
}

/** A wall that a view of its own makes: without one it is not to be had, with one it must hold. */
function open(probe: ProbeResults, name: string, evidence: string): Layer {
  const { view } = probe.walls
  if (view.kind !== 'none') return broken(name, `${evidence}, in spite of ${view.kind}`)
  return {
    name,
    state: 'unavailable',
    level: levelWithout(probe),
    evidence,
    hint: 'as for the view',
  }
}

function kernelLayer(name: string, what: string, result: string): Layer {
  if (result !== 'done') return active(name, `${what} ends: ${result}`)
  return {
    name,
    state: process.platform === 'linux' ? 'inactive' : 'unavailable',
    level: 'warning',
    evidence: `${what} succeeds`,
    hint: 'only the executor ends it: let the shell of this system set limits (ulimit -d, ulimit -t)',
  }
}
