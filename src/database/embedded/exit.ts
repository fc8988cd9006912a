/**
 * Has a PostgreSQL that was started here end when this process ends without having stopped it: by process.exit, or by an error that
 * nobody caught. (What a kill -9 leaves running, the next start takes over.) Fast: open transactions are rolled back, everything is written.
 * @param pid of the PostgreSQL, or of a process group as a negative number
 * @returns forgets it
 */
export function endOnExit(pid: number, signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): () => void {
  const end = () => {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended by itself.
    }
  }
  // 0 would be this very process group.
  if (pid !== 0) process.on('exit', end)
  return () => process.off('exit', end)
}
