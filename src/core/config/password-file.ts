/** What tells the clients of Postgres where passwords lie; the driver and the programs look for the same. */
export function passwordFileVariables(
  environment: NodeJS.ProcessEnv = process.env,
): Pick<NodeJS.ProcessEnv, 'HOME' | 'PGPASSFILE'> {
  const { HOME, PGPASSFILE } = environment
  return { HOME, PGPASSFILE }
}
