import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** An API key as its client has it: wm_<keyId>_<secret>. */
export interface NewKey {
  /** Names the key where people see it: lists, logs. */
  readonly keyId: string
  /** Shown once, when it is made. */
  readonly text: string
  /** What is stored of it. */
  readonly hash: Buffer
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const KEY_ID_BYTES = 9
const SECRET_BYTES = 32
const TEXT = /^wm_([0-9A-Za-z]{13})_[0-9A-Za-z]{43}$/

export function makeKey(): NewKey {
  const keyId = base62(randomBytes(KEY_ID_BYTES))
  const text = `wm_${keyId}_${base62(randomBytes(SECRET_BYTES))}`
  return { keyId, text, hash: hashOf(text) }
}

/** The ID in a text of a key's form; undefined: it has another form. */
export function keyIdOf(text: string): string | undefined {
  return TEXT.exec(text)?.[1]
}

export function isKeyLike(text: string): boolean {
  return text.startsWith('wm_')
}

/** SHA-256, not a password's slow hash: 256 random bits can't be guessed, and each request asks. */
export function hashOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** In the same time whether or not there is such a key, and wherever they differ. @param stored undefined: there is none */
export function isHashOf(text: string, stored: Buffer | undefined): boolean {
  const given = hashOf(text)
  return timingSafeEqual(given, stored ?? NOBODYS) && stored !== undefined
}

const NOBODYS = randomBytes(32)

/** Of fixed length for a length in bytes: 13 characters for 9, 43 for 32. */
function base62(bytes: Buffer): string {
  const length = Math.ceil((bytes.length * 8) / Math.log2(ALPHABET.length))
  let rest = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (; text.length < length; rest /= 62n) text = ALPHABET.charAt(Number(rest % 62n)) + text
  return text
}
