/** What the isolate posts to its process. Numbers, so that they can be written into its source. */
export const posts = {
  call: 1,
  log: 2,
  progress: 3,
  done: 4,
  failed: 5,
  inspected: 6,
} as const
