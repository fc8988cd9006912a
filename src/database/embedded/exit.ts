/**
 * Ends a PostgreSQL that was started here if this process ends without having stopped it: by process.exit, or by an
 * uncaught error. (After a kill -9 it keeps running, and the next start takes it over.) SIGINT is a fast shutdown: open
 * transactions are rolled back, and everything is written.
 * @param pid the PostgreSQL, or a process group as a negative number
 * @returns a function that cancels this
 */
export function endOnExit(pid: number, signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): () => void {
  const end = () => {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended by itself.
    }
  }
  // 0 would be this process's own group.
  if (pid !== 0) process.on('exit', end)
  return () => process.off('exit', end)
}
