import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

const folder = path.resolve(import.meta.dirname, '../../')

/** Packages of bench/package.json that are missing or of another version cannot be had. */
export class PeersMissingError extends Error {}

/**
 * Installs what Kiln is measured against, unless it is there in the versions that bench/package.json
 * names; returns these versions.
 *
 * @throws PeersMissingError
 */
export function ensurePeers(): Readonly<Record<string, string>> {
  const { dependencies } = readPackage(folder) as { dependencies: Record<string, string> }
  if (isInstalled(dependencies)) return dependencies
  console.error('installing the peers: npm ci in bench/')
  const { status, stderr, error } = spawnSync('npm', ['ci', '--ignore-scripts'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status === 0) return dependencies
  throw new PeersMissingError(
    `cannot install what the queue is measured against: npm ci in ${folder} ` +
      `${error ? `did not start (${error.message})` : `ended with ${status}:\n${stderr.trim()}`}\n` +
      'It needs the package registry once; the other figures and npm test do without.',
  )
}

function isInstalled(dependencies: Readonly<Record<string, string>>): boolean {
  return Object.entries(dependencies).every(([name, version]) => {
    try {
      return readPackage(path.join(folder, 'node_modules', name)).version === version
    } catch {
      // Not there.
      return false
    }
  })
}

const readPackage = (of: string): { readonly version?: string } =>
  JSON.parse(readFileSync(path.join(of, 'package.json'), 'utf8')) as { version?: string }
