/**
 * Whether a request's Host header names this machine: localhost, 127.x.x.x or [::1], with the server's port.
 *
 * Without authentication, a page of any site could let its own name resolve to 127.0.0.1 (DNS rebinding) and then read
 * and write here: https://en.wikipedia.org/wiki/DNS_rebinding. But no page can choose the Host header.
 * @param host the header's value; undefined: not sent
 * @param port where the server listens; a header without a port means 80
 */
export function namesLoopback(host: string | undefined, port: number): boolean {
  const [, name, given] = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::(\d{1,5}))?$/i.exec(host ?? '') ?? []
  return name !== undefined && Number(given ?? 80) === port
}
