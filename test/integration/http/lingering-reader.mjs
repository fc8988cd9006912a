// Subscribes to a field over the transport named in its arguments, stays, and prints what it hears. Plain JavaScript: it runs by itself,
// elsewhere in the network.
import { request } from 'node:http'
import { WebSocket } from 'ws'

const [, , transport, address, query] = process.argv
const print = (text) => process.stdout.write(`${text}\n`)

if (transport === 'socket') {
  const socket = new WebSocket(`ws://${address}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => undefined)
  socket.on('open', () => socket.send('{"type":"connection_init"}'))
  socket.once('message', () => socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } })))
  socket.on('ping', () => print('sign of life'))
  socket.on('close', (code, reason) => print(`closed ${code} ${reason}`))
} else {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream' }
  const post = request(`http://${address}/graphql`, { method: 'POST', headers }, (response) => {
    let isGreeted = false
    response.setEncoding('utf8').on('data', (text) => {
      if (isGreeted && text === ':\n\n') print('sign of life')
      isGreeted = true
      print(text)
    })
    response.on('error', () => undefined)
  })
  post.on('error', () => undefined)
  post.end(JSON.stringify({ query }))
}
