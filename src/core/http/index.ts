/**
 * The HTTP side of the service: health and metrics for everyone who reaches the port, jobs for
 * those with the token. Routes call the functions that commands call.
 */
export { type HealthCheck, isReady } from './health-check.ts'
export { HttpServer, type HttpServerOptions } from './http-server.ts'
export type { HttpSources } from './sources.ts'
