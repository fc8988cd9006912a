// Preloaded into a server by `node --import`: SIGUSR2 blocks its event loop for a while in each round, and the next one ends that.
const BLOCKED_MS = 700

const nothing = new Int32Array(new SharedArrayBuffer(4))
let isBlocked = false

function block() {
  if (!isBlocked) return
  // Without using the processor: what else runs on the machine makes no difference.
  Atomics.wait(nothing, 0, 0, BLOCKED_MS)
  setImmediate(block)
}

process.on('SIGUSR2', () => {
  isBlocked = !isBlocked
  block()
})
