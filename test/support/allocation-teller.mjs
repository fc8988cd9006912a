// Preloaded into a server by NODE_OPTIONS=--import=...: tells at the socket ALLOCATION_SOCKET how many bytes its heap has been given since the
// start, what was collected again included.
import { createServer } from 'node:http'
import { GCProfiler } from 'node:v8'

let collected = 0
let profiler = new GCProfiler()
profiler.start()

const server = createServer((_, response) => {
  const used = process.memoryUsage().heapUsed
  for (const { beforeGC, afterGC } of profiler.stop().statistics)
    collected += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize
  profiler = new GCProfiler()
  profiler.start()
  response.end(String(collected + used))
})
server.listen(process.env.ALLOCATION_SOCKET)
server.unref()
