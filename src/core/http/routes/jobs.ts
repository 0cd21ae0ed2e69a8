import { findRunnable } from '../../analyses/index.ts'
import { enqueueAnalysis, getJob, jobJson, sweepInPassing } from '../../jobs/index.ts'
import { readResult } from '../../results/index.ts'
import { readJobRequest } from '../job-request.ts'
import { readJsonBody } from '../read-json-body.ts'
import { type Reply, jsonReply } from '../reply.ts'
import type { RouteRequest } from '../route.ts'

/** Queues a job: 201, or 200 with the job that has the idempotency key already. */
export async function postJobRoute({ request, sources, allowBody }: RouteRequest): Promise<Reply> {
  const { context } = sources
  const wanted = readJobRequest(await readJsonBody(request, allowBody))
  const analysis = await findRunnable(context, wanted.analysis, {
    projectId: wanted.project,
    version: wanted.version,
  })
  const { priority, runAt, idempotencyKey } = wanted
  const { id, isNew } = await enqueueAnalysis(context, {
    analysis,
    parameters: wanted.parameters,
    triggeredBy: 'http',
    ...(priority === undefined ? {} : { priority }),
    ...(runAt === undefined ? {} : { runAt }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  })
  const location = `/jobs/${id}`
  if (isNew) {
    context.log.info({ jobId: id, analysis: analysis.name }, `Job ${id} queued over HTTP`)
    return jsonReply(201, { id, status: 'pending' }, { location })
  }
  const { status } = await getJob(context, id)
  return jsonReply(200, { id, status }, { location })
}

export async function getJobRoute({ sources, parameter }: RouteRequest): Promise<Reply> {
  await sweepInPassing(sources.context)
  return jsonReply(200, jobJson(await getJob(sources.context, parameter)))
}

/** What the job returned, as it stands. */
export async function getResultRoute({ sources, parameter }: RouteRequest): Promise<Reply> {
  await sweepInPassing(sources.context)
  const text = await readResult(sources.context, await getJob(sources.context, parameter))
  return { status: 200, contentType: 'application/json; charset=utf-8', body: text }
}
