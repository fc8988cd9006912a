// Subscribes to a field over the transport named in its arguments, and stays. Plain JavaScript: it runs by itself, elsewhere in the network.
import { request } from 'node:http'
import { WebSocket } from 'ws'

const [, , transport, address, query] = process.argv

if (transport === 'socket') {
  const socket = new WebSocket(`ws://${address}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => undefined)
  socket.on('open', () => socket.send('{"type":"connection_init"}'))
  socket.once('message', () => socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } })))
} else {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream' }
  const post = request(`http://${address}/graphql`, { method: 'POST', headers }, (response) => response.resume())
  post.on('error', () => undefined)
  post.end(JSON.stringify({ query }))
}
