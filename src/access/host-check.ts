/**
 * Whether a request's Host header names this machine as its own users do.
 *
 * Where nobody has to authenticate, a page of any site could otherwise have its own name resolve to 127.0.0.1 (DNS rebinding) and
 * then read and write here as that site: https://en.wikipedia.org/wiki/DNS_rebinding. No page can choose the Host header.
 * @param host undefined: not sent
 * @param port what the server listens on; 80 may be left out
 */
export function namesLoopback(host: string | undefined, port: number): boolean {
  const [, name, given] = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::(\d{1,5}))?$/i.exec(host ?? '') ?? []
  return name !== undefined && Number(given ?? 80) === port
}
