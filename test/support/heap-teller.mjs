// Preloaded into a server by `node --expose-gc --import`: tells its heap, once collected, to whoever asks at the socket HEAP_SOCKET.
import { createServer } from 'node:http'

const server = createServer(async (_, response) => {
  // Twice, since buffers that the first finds unused are swept beside it.
  globalThis.gc()
  await new Promise((resolve) => setTimeout(resolve, 20))
  globalThis.gc()
  response.end(JSON.stringify(process.memoryUsage()))
})
server.listen(process.env.HEAP_SOCKET)
server.unref()
