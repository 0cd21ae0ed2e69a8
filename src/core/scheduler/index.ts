/** The service behind `kiln serve-scheduler`: it composes the parts that run for long. */
export { Service, type ServiceOptions, serve } from './service.ts'
