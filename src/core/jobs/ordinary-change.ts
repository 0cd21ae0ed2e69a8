/**
 * What a statement that keeps the rules of a job's row itself writes into `ordinary_changes`, over
 * `job`: any other number than before, so that the triggers of the row stay away. Never one too large,
 * whatever somebody has set it to by SQL: one such row would stop every claim.
 */
export const nextOrdinaryChange = `
        case
          when job.ordinary_changes < 1000000000 then job.ordinary_changes + 1
          else 0
        end`
