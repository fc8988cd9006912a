export function seed(_databaseUrl: string): Promise<string> {
  return Promise.resolve('')
}
