/** Lets any number of writers through, or one who has it all to himself; whoever waits for that is let in before new writers. */
export class Gate {
  #inside = 0
  #closed: Promise<void> | undefined
  #wake = () => {}

  async share<Result>(use: () => Promise<Result>): Promise<Result> {
    while (this.#closed) await this.#closed
    this.#inside += 1
    try {
      return await use()
    } finally {
      this.#inside -= 1
      this.#wake()
    }
  }

  /** Not to be asked for while somebody has it. */
  async alone<Result>(use: () => Promise<Result>): Promise<Result> {
    let open = () => {}
    this.#closed = new Promise((resolve) => (open = resolve))
    try {
      while (this.#inside > 0) await new Promise<void>((resolve) => (this.#wake = resolve))
      return await use()
    } finally {
      this.#closed = undefined
      open()
    }
  }
}
