import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from '@oclif/core'

type Config = Command['config']

/**
 * What a command that runs asks of oclif's configuration. Loading the whole of it, with the manifest of
 * all commands, would take a tenth of a start; help and mistyped words alone need it.
 */
export function runConfig(root: string): Config {
  const { name, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    name: string
    version: string
  }
  const needed: Pick<Config, 'bin' | 'version' | 'userAgent' | 'scopedEnvVarKeys' | 'runHook'> = {
    bin: name,
    version,
    userAgent: `${name}/${version}`,
    // No variable of oclif's has a meaning here.
    scopedEnvVarKeys: () => [],
    // There are no hooks.
    runHook: () => Promise.resolve({ successes: [], failures: [] }),
  }
  return needed as Config
}
