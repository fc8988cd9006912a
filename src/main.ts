#!/usr/bin/env node
// Read before anything else is loaded: once npm is gone it is somebody else.
const parentPid = process.ppid
const { main } = await import('./cli/cli.ts')

process.exitCode = await main(process.argv.slice(2), { parentPid })
