import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readServiceManager } from '../../../src/core/config/index.ts'
import { silentLogger } from '../../../src/core/log/index.ts'
import { SystemdNotifier } from '../../../src/core/scheduler/systemd-notifier.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'
import { waitUntil } from '../../support/wait-until.ts'

const isPossible =
  spawnSync('systemd-notify', ['--version']).status === 0 &&
  spawnSync('python3', ['--version']).status === 0
if (!isPossible) console.log('skipped: systemd-notify or python3 is not installed')

/** Stands for systemd: Node has no datagram sockets of the unix domain. */
const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(s.recv(65536).decode().replace('\\n', ' '), flush=True)
`

describe.skipIf(!isPossible)('what systemd is told', () => {
  let folder: TemporaryFolder
  let systemd: ChildProcess
  let lines: string[]
  let notifySocket: string

  beforeEach(async () => {
    folder = await createTemporaryFolder('notify')
    notifySocket = path.join(folder.path, 'socket')
    lines = []
    systemd = spawn('python3', ['-c', receiver, notifySocket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    systemd.stdout?.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.split('\n').filter((line) => line !== '' && line !== 'BARRIER=1'))
    })
    await waitUntil('the socket is bound', () => lines.includes('bound'))
    lines = []
  })
  afterEach(async () => {
    systemd.kill('SIGKILL')
    await folder.remove()
  })

  test('that the service is ready, how it does and that it stops', async () => {
    const notifier = new SystemdNotifier({ notifySocket, watchdogMs: undefined }, silentLogger)
    await notifier.ready('running')
    await notifier.status('3 running jobs')
    await notifier.stopping('waiting')
    await notifier.stop()
    expect(lines).toEqual([
      'READY=1 STATUS=running',
      'STATUS=3 running jobs',
      'STOPPING=1 STATUS=waiting',
    ])
  })

  test('one thing after the other, also when nobody waits', async () => {
    const notifier = new SystemdNotifier({ notifySocket, watchdogMs: undefined }, silentLogger)
    const texts = Array.from({ length: 20 }, (_, index) => `${index} running jobs`)
    await Promise.all(texts.map((text) => notifier.status(text)))
    await waitUntil('all have arrived', () => lines.length === texts.length)
    expect(lines).toEqual(texts.map((text) => `STATUS=${text}`))
  })

  test('that it is alive, for as long as it is', async () => {
    const notifier = new SystemdNotifier({ notifySocket, watchdogMs: 20 }, silentLogger)
    let isAlive = true
    let asked = 0
    notifier.watch(async () => {
      asked += 1
      return isAlive
    })
    await waitUntil('it was fed', () => lines.filter((line) => line === 'WATCHDOG=1').length >= 3)
    isAlive = false
    const since = asked
    await waitUntil('it was asked again', () => asked > since + 3)
    const fed = lines.length
    await waitUntil('it was asked again', () => asked > since + 6)
    expect(lines).toHaveLength(fed)
    await notifier.stop()
  })
})

test('without systemd nothing is started', async () => {
  expect(readServiceManager({})).toBeUndefined()
  const notifier = new SystemdNotifier(undefined, silentLogger)
  notifier.watch(() => Promise.reject(new Error('asked')))
  await notifier.ready('running')
  await notifier.stop()
})

test('a failure to tell is said once and stops nothing', async () => {
  const warnings: string[] = []
  const log = { ...silentLogger, warn: (_fields: object, text: string) => warnings.push(text) }
  const notifier = new SystemdNotifier(
    { notifySocket: '/no/such/socket', watchdogMs: undefined },
    log,
  )
  await notifier.ready('running')
  await notifier.status('still')
  expect(warnings).toEqual(['systemd-notify failed'])
})

test('reads the interval of the watchdog in microseconds', () => {
  expect(readServiceManager({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000' })).toEqual({
    notifySocket: '/run/n',
    watchdogMs: 30_000,
  })
  expect(readServiceManager({ NOTIFY_SOCKET: '/run/n' })?.watchdogMs).toBeUndefined()
})
