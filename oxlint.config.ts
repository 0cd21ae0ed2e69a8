/**
 * Lint rules. The layers of the house are a list here: a module may import what stands
 * before it, never what stands after it; each exception is listed with its reason.
 */
import { defineConfig } from 'oxlint'

/** Core's modules from the ground up (docs/architecture.md). */
const layers = [
  ['errors', 'units', 'config', 'log', 'os', 'confine'],
  ['database', 'cron'],
  ['audit', 'metrics', 'duckdb'],
  ['migrate'],
  ['analyses'],
  ['jobs'],
  ['results', 'datasources', 'schedules'],
  ['sandbox'],
  ['executor'],
  ['projects'],
  ['http'],
  ['backup', 'restore', 'cleanup', 'health', 'quickstart', 'testing'],
  ['tasks'],
  ['scheduler'],
]

/** Sideways or upward edges that are allowed, each with its reason. */
const allowedEdges: Record<string, readonly string[]> = {
  // The ground: settings parse sizes and durations and fail with coded errors; os reports coded errors.
  config: ['errors', 'units', 'os'],
  log: ['errors', 'units', 'config', 'os'],
  os: ['errors', 'units'],
  units: ['errors'],
  // One of its checks is a dry run of cleanup.
  health: ['cleanup'],
  // Reading what a script declares means running its top level, and that happens in a sandbox.
  analyses: ['sandbox'],
  // A restore reads what a backup wrote.
  restore: ['backup'],
}

/**
 * The sandbox is the trust boundary: it knows nothing of the rest of the house, but for the walls
 * that DuckDB processes get too.
 */
const closedModules: Record<string, readonly string[]> = {
  confine: [],
  sandbox: ['units', 'confine'],
}

/** One importer per third-party package: replacing one touches one folder. */
const packageHomes: Record<string, string> = {
  'isolated-vm': 'sandbox',
  '@duckdb/node-api': 'duckdb',
  '@duckdb/node-bindings': 'duckdb',
  pino: 'log',
  'prom-client': 'metrics',
  'cron-parser': 'cron',
  cronstrue: 'cron',
  tar: 'backup',
}

const coreIsLibrary = {
  group: ['@oclif/*', 'cli-table3', '**/cli/*', '**/commands/*'],
  message: 'core is a library: no command line in it',
}

const modules = layers.flat()

function forbiddenModules(module: string): string[] {
  const closed = closedModules[module]
  if (closed) return modules.filter((other) => other !== module && !closed.includes(other))
  const level = layers.findIndex((layer) => layer.includes(module))
  return layers
    .slice(level)
    .flat()
    .filter((other) => other !== module && !(allowedEdges[module] ?? []).includes(other))
}

interface Restrictions {
  paths: { name: string; message: string }[]
  patterns: { group: string[]; message: string }[]
}

function restrictions(module: string): ['error', Restrictions] {
  const patterns = forbiddenModules(module).map((other) => ({
    group: [`../${other}/*`, `../../${other}/*`, `../${other}/**`, `../../${other}/**`],
    message: `core/${module} stands below or beside core/${other} (see the layers in oxlint.config.ts)`,
  }))
  const homes = Object.entries(packageHomes)
    .filter(([, home]) => home !== module)
    .map(([name, home]) => ({ name, message: `only core/${home} imports ${name}` }))
  return ['error', { paths: homes, patterns: [...patterns, coreIsLibrary] }]
}

export default defineConfig({
  plugins: ['eslint', 'typescript', 'unicorn', 'oxc', 'import'],
  options: { typeAware: true },
  categories: { correctness: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    // A promise that rejects while `finally` waits would end the process.
    'typescript/return-await': ['error', 'error-handling-correctness-only'],
    'typescript/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true },
    ],
    // Kysely's expression builder is made to be taken apart: ({ eb, ref }) => ...
    'typescript/unbound-method': 'off',
    'import/no-cycle': 'error',
    'no-console': 'error',
    eqeqeq: ['error', 'always', { null: 'ignore' }],
    'no-var': 'error',
    'prefer-const': 'error',
  },
  overrides: [
    ...modules.map((module) => ({
      files: [`src/core/${module}/**/*.ts`],
      rules: {
        'no-restricted-imports': restrictions(module),
      },
    })),
    {
      files: ['src/cli/**/*.ts'],
      rules: {
        'no-restricted-imports': [
          'error',
          { patterns: [{ group: ['**/commands/*'], message: 'cli stands below commands' }] },
        ],
      },
    },
    {
      files: ['scripts/**', 'bench/**', 'test/**'],
      rules: { 'no-console': 'off' },
    },
  ],
  ignorePatterns: ['dist', 'node_modules', 'examples', 'bench/node_modules', '**/*.generated.ts'],
})
