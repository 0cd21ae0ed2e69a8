export const expectedSchema: Readonly<Record<string, string>> = {}
