import { z } from 'zod'
import { encodeNodeId, noIdOf } from '../../graphql/node-id.ts'
import type { CheckpointKey, RevisionKey } from './model.ts'

export function checkpointNodeId({ userId, stream }: CheckpointKey): string {
  return encodeNodeId('Checkpoint', checkpointNodeKey({ userId, stream }))
}

export function checkpointNodeKey({ userId, stream }: CheckpointKey): string {
  return JSON.stringify([userId, stream])
}

/** @throws Fault BAD_USER_INPUT if checkpointNodeKey did not make the key */
export function parseCheckpointNodeKey(key: string): CheckpointKey {
  const parsed = z.tuple([keyText, keyText]).safeParse(parseJson(key))
  if (!parsed.success) throw noIdOf('Checkpoint')
  const [userId, stream] = parsed.data
  return { userId, stream }
}

export function revisionNodeKey(revision: RevisionKey): string {
  return JSON.stringify([revision.userId, revision.stream, revision.version])
}

/** @throws Fault BAD_USER_INPUT if revisionNodeKey did not make the key */
export function parseRevisionNodeKey(key: string): RevisionKey {
  const parsed = z.tuple([keyText, keyText, z.int32()]).safeParse(parseJson(key))
  if (!parsed.success) throw noIdOf('CheckpointRevision')
  const [userId, stream, version] = parsed.data
  return { userId, stream, version }
}

const keyText = z.string().refine((text) => !text.includes('\0'))

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
