/** The smallest analysis there is. */
export const trivialScript = 'export default function analyze() { return { result: 1 } }\n'
