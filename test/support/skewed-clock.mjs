// Preloaded into a process of the server's by `node --import`: its wall clock is CLOCK_SKEW_MS off, as a machine's may be. Timers are not: they count.
const skewMs = Number(process.env.CLOCK_SKEW_MS)
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length === 0 ? [RealDate.now() + skewMs] : given))
  }

  static now() {
    return RealDate.now() + skewMs
  }
}
