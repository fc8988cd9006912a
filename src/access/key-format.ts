import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new API key. Its client gets the text, in the form wm_<keyId>_<secret>. */
export interface NewKey {
  /** Names the key in lists and logs. */
  readonly keyId: string
  /** Shown once, when the key is made. */
  readonly text: string
  /** Stored instead of the text. */
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

/** The ID in a text that has the form of a key; undefined: the text has another form. */
export function keyIdOf(text: string): string | undefined {
  return TEXT.exec(text)?.[1]
}

export function isKeyLike(text: string): boolean {
  return text.startsWith('wm_')
}

/** SHA-256 instead of a slow password hash: 256 random bits cannot be guessed, and each request computes it. */
export function hashOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/**
 * Whether a text is the key with the stored hash. It takes the same time whether or not the key exists, and wherever
 * the hashes differ.
 * @param stored undefined: there is no such key
 */
export function isHashOf(text: string, stored: Buffer | undefined): boolean {
  const given = hashOf(text)
  return timingSafeEqual(given, stored ?? NOBODYS) && stored !== undefined
}

const NOBODYS = randomBytes(32)

/** Gives a fixed number of characters for a number of bytes: 13 for 9, 43 for 32. */
function base62(bytes: Buffer): string {
  const length = Math.ceil((bytes.length * 8) / Math.log2(ALPHABET.length))
  let rest = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (; text.length < length; rest /= 62n) text = ALPHABET.charAt(Number(rest % 62n)) + text
  return text
}
