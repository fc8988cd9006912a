// The floor: reads a request and always answers the same bytes, which PUT sets.
import { createServer } from 'node:http'

let answer = Buffer.from('{"data":{}}')
const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    if (request.method === 'PUT') answer = Buffer.concat(chunks)
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': answer.length })
    response.end(answer)
  })
})
server.listen(0, '127.0.0.1', () => console.log(`serves http://127.0.0.1:${server.address().port}/graphql`))
