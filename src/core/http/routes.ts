import { health, live, metrics, ready } from './routes/health.ts'
import { getJobRoute, getResultRoute, postJobRoute } from './routes/jobs.ts'
import type { Route } from './route.ts'

/** Every route. HEAD is answered as GET. */
export const routes: readonly Route[] = [
  { path: /^\/livez$/, isProtected: false, methods: { GET: live } },
  { path: /^\/readyz$/, isProtected: false, methods: { GET: ready } },
  { path: /^\/health$/, isProtected: false, methods: { GET: health } },
  { path: /^\/metrics$/, isProtected: false, methods: { GET: metrics } },
  { path: /^\/jobs$/, isProtected: true, methods: { POST: postJobRoute } },
  { path: /^\/jobs\/([^/]+)$/, isProtected: true, methods: { GET: getJobRoute } },
  { path: /^\/jobs\/([^/]+)\/result$/, isProtected: true, methods: { GET: getResultRoute } },
]
