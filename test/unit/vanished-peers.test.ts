import { describe, expect, it } from 'vitest'
import { unacknowledged } from '../../src/sse/vanished-peers.ts'

const heading = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const line = (rest: string) => `   7: ${rest} 0 0 48213 1 0000000000000000 20 4 30 10 -1\n`

describe('what the kernel has for a peer', () => {
  it('is read for each connection, over IPv4 and IPv6, whether it is sent again or there is no room for it', () => {
    const table =
      heading +
      line('0109E90A:176F 0209E90A:B5B4 01 00000008:00000000 01:000000E6 00000005') +
      line(
        '0000000000000000FFFF00000109E90A:176F 0000000000000000FFFF00000209E90A:B5B5 01 00010008:00000000 04:0000001E 0000000A',
      ) +
      line(
        'B80D0120000000000000000001000000:0FA0 B80D0120000000000000000002000000:B5B6 01 0000000A:00000000 01:0000001E 00000006',
      )
    // As Node writes the addresses of a socket.
    expect(unacknowledged(table)).toEqual([
      ['10.233.9.1|5999 10.233.9.2|46516', 8],
      ['::ffff:10.233.9.1|5999 ::ffff:10.233.9.2|46517', 65_544],
      ['2001:db8::1|4000 2001:db8::2|46518', 10],
    ])
  })

  it('is nothing where it has taken all, or has said goodbye', () => {
    const table =
      heading +
      line('0109E90A:176F 0209E90A:B5B6 01 00000000:00000000 02:000000E6 00000000') +
      line('0109E90A:176F 0209E90A:B5B7 04 00000008:00000000 01:000000E6 00000009')
    expect(unacknowledged(table)).toEqual([])
  })

  it('is nothing where there is no such table', () => {
    expect(unacknowledged('')).toEqual([])
  })
})
