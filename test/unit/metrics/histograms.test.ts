import { expect, test } from 'vitest'
import {
  bucketCounter,
  bucketOf,
  cumulativeHistogram,
} from '../../../src/core/metrics/histograms.ts'

test('an observation counts in the first bucket that holds it', () => {
  expect(bucketCounter('job_duration_seconds', bucketOf('job_duration_seconds', 30))).toBe(
    'job_duration_seconds_bucket:30',
  )
  expect(bucketCounter('job_duration_seconds', bucketOf('job_duration_seconds', 30.001))).toBe(
    'job_duration_seconds_bucket:60',
  )
  expect(bucketCounter('job_duration_seconds', bucketOf('job_duration_seconds', 1e9))).toBe(
    'job_duration_seconds_bucket:inf',
  )
})

test('reads each bucket as everything up to its bound', () => {
  const histogram = cumulativeHistogram('claim_duration_seconds', {
    'claim_duration_seconds_bucket:0.001': 4,
    'claim_duration_seconds_bucket:0.1': 2,
    'claim_duration_seconds_bucket:inf': 1,
    claim_duration_seconds_sum: 9.5,
    'job_wait_seconds_bucket:0.1': 100,
  })
  const counts = Object.fromEntries(histogram.buckets)
  expect(counts).toMatchObject({ '0.001': 4, '0.05': 4, '0.1': 6, '2.5': 6, '+Inf': 7 })
  expect(histogram).toMatchObject({ sum: 9.5, count: 7 })
})

test('counts a bucket of another version from the next bound on', () => {
  const histogram = cumulativeHistogram('claim_duration_seconds', {
    'claim_duration_seconds_bucket:0.03': 5,
  })
  expect(Object.fromEntries(histogram.buckets)).toMatchObject({ '0.025': 0, '0.05': 5, '+Inf': 5 })
})

test('a histogram without observations is all zeros', () => {
  const histogram = cumulativeHistogram('job_wait_seconds', {})
  expect(new Set(histogram.buckets.map(([, count]) => count))).toEqual(new Set([0]))
})
