import { StartupError } from '../../errors/startup-error.ts'

/** Where a URL leads, and which of its servers is meant. */
export interface DatabaseAddress {
  /** A postgresql:// URL for each server, in the order of the URL; at least one. node-postgres takes each of them. */
  readonly hostUrls: readonly string[]
  /** What a connection must be able to do. Undefined: there is one server, and nobody has to look. */
  readonly target: TargetSession | undefined
}

/** libpq's target_session_attrs, but for those that look for a server that Waymark cannot use. */
export type TargetSession = 'any' | 'read-write' | 'primary'

const DEFAULT_SETTING = 'DATABASE_URL'

/**
 * Turns the forms of a PostgreSQL URL that people use into one form.
 * `postgresql://` and `postgres://` pass; `postgresql+asyncpg://` (SQLAlchemy's way to name a driver) loses its driver
 * part. Several hosts stay, as libpq writes them: `host1:5432,host2:5433`.
 * @param setting the name of the setting, for messages
 * @throws StartupError as parseDatabaseUrl does
 */
export function toPostgresUrl(text: string, setting = DEFAULT_SETTING): string {
  const scheme = /^([a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (!scheme || !/^postgres(ql)?(\+[a-z0-9]+)?$/.test(scheme)) {
    throw new StartupError(
      `${setting} must start with postgresql:// (postgres:// and postgresql+asyncpg:// are accepted too), e.g. postgresql://user:password@localhost:5432/waymark`,
    )
  }
  const url = `postgresql://${text.slice(scheme.length + '://'.length)}`
  readAddress(url, setting)
  return url
}

/**
 * Takes a PostgreSQL URL apart. Hosts and ports are libpq's: `host1:5432,host2:5433`, `[::1]:5432`, or the parameters
 * `host` and `port`, each a list.
 * @param setting the name of the setting, for messages
 * @throws StartupError for any other scheme, an invalid URL, and parameters that Waymark does not serve; the message
 *   never repeats the URL, which may hold a password
 */
export function parseDatabaseUrl(text: string, setting = DEFAULT_SETTING): DatabaseAddress {
  return readAddress(toPostgresUrl(text, setting), setting)
}

function readAddress(url: string, setting: string): DatabaseAddress {
  const [, authority = '', path = '', query = ''] = /^postgresql:\/\/([^/?#]*)([^?#]*)\??([^#]*)/.exec(url) ?? []
  const userEnd = authority.lastIndexOf('@') + 1
  const user = authority.slice(0, userEnd)
  const parameters = query === '' ? [] : query.split('&')
  const hosts = hostsOf(authority.slice(userEnd), parameters, setting)
  const kept = parameters.filter((parameter) => !OWN_PARAMETERS.has(nameOf(parameter)))
  const hostUrls = hosts.map(({ host, parameter }) => {
    const all = [...kept, ...parameter].join('&')
    return `postgresql://${user}${host}${path}${all === '' ? '' : `?${all}`}`
  })
  // After a # nothing would be read: it belongs to a password.
  if (url.includes('#') || !hostUrls.every((hostUrl) => URL.canParse(hostUrl))) {
    throw new StartupError(
      `${setting} is no valid URL: percent-encode special characters in the user name and password (@ is %40, / is %2F, # is %23).`,
    )
  }
  return { hostUrls, target: targetOf(parameters, hostUrls.length, setting) }
}

/** Parameters that node-postgres does not know, or that name hosts. */
const OWN_PARAMETERS = new Set(['host', 'port', 'target_session_attrs', 'load_balance_hosts'])

interface Host {
  /** In the form of an authority. */
  readonly host: string
  readonly parameter: readonly string[]
}

/** The hosts of the URL. As in libpq, the parameter `host` wins over the authority. */
function hostsOf(authority: string, parameters: readonly string[], setting: string): Host[] {
  const [host, port] = ['host', 'port'].map((name) => valueOf(parameters, name))
  const ports = port?.split(',')
  if (host === undefined) {
    const named = authority.split(',')
    requirePorts(ports, named.length, setting)
    return named.map((each, place) => ({ host: each, parameter: portParameter(ports, place) }))
  }
  const named = host.split(',')
  requirePorts(ports, named.length, setting)
  return named.map((each, place) => ({
    // No URL has a user and no host. node-postgres prefers the parameter.
    host: 'localhost',
    parameter: [`host=${encodeURIComponent(each)}`, ...portParameter(ports, place)],
  }))
}

function portParameter(ports: readonly string[] | undefined, place: number): string[] {
  const port = ports?.length === 1 ? ports[0] : ports?.[place]
  return port === undefined || port === '' ? [] : [`port=${port}`]
}

function requirePorts(ports: readonly string[] | undefined, hosts: number, setting: string): void {
  if (ports === undefined) return
  if (ports.length !== 1 && ports.length !== hosts) {
    throw new StartupError(
      `${setting} names ${hosts} hosts and ${ports.length} ports: give one port for each host, or one for all.`,
    )
  }
  if (!ports.every((port) => port === '' || (/^\d+$/.test(port) && Number(port) > 0 && Number(port) < 65_536))) {
    throw new StartupError(`${setting} has a port that is no number from 1 to 65535: correct its parameter port.`)
  }
}

function targetOf(parameters: readonly string[], hosts: number, setting: string): TargetSession | undefined {
  const balance = valueOf(parameters, 'load_balance_hosts')
  if (balance !== undefined && balance !== 'disable') {
    throw new StartupError(
      `${setting} has load_balance_hosts=${balance}, but only one server takes writes, and Waymark needs that one: remove load_balance_hosts.`,
    )
  }
  const target = valueOf(parameters, 'target_session_attrs')
  // Waymark can use no other server than the one that takes writes. libpq's default would be any.
  if (target === undefined) return hosts > 1 ? 'read-write' : undefined
  if (target === 'any') return hosts > 1 ? 'any' : undefined
  if (target === 'read-write' || target === 'primary') return target
  throw new StartupError(
    `${setting} has target_session_attrs=${target}, but Waymark writes: use read-write or primary (or any, where every host takes writes).`,
  )
}

/** The last value of a parameter; undefined: it is not there, or empty. */
function valueOf(parameters: readonly string[], name: string): string | undefined {
  const parameter = parameters.findLast((each) => nameOf(each) === name)
  const text = parameter?.slice(name.length + 1).replaceAll('+', ' ')
  return text ? decode(text) : undefined
}

const nameOf = (parameter: string) => parameter.split('=', 1)[0] ?? ''

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // An invalid escape is refused with the URL as a whole, or means nothing.
    return text
  }
}
