// llama.cpp with continuous batching over the counting model: as many sequences as it has slots; more requests wait.
import { getLlama } from 'node-llama-cpp';

/** Tokens in a block, of which the engine says how many it uses. */
export const BLOCK = 16;

export class Generator {
  #model;
  #free = [];
  #waiting = [];
  #blocks = 0;
  #tokenMs;
  context;
  slots;
  running = 0;
  generated = 0;
  aborted = 0;

  /** @param tokenMs least time from one token to the next */
  static async load({ modelPath, slots, context, tokenMs }) {
    if (process.env.UV_THREADPOOL_SIZE !== '1')
      throw new Error(
        'UV_THREADPOOL_SIZE must be 1: sequences that sample at the same time swap their tokens',
      );
    const llama = await getLlama({
      gpu: false,
      build: 'never',
      skipDownload: true,
      logLevel: 'warn',
      maxThreads: 1,
    });
    const generator = new Generator();
    generator.#model = await llama.loadModel({ modelPath });
    const all = await generator.#model.createContext({ contextSize: context, sequences: slots, threads: 1 });
    generator.#free = Array.from({ length: slots }, () => all.getSequence());
    generator.#tokenMs = tokenMs;
    Object.assign(generator, { context, slots });
    return generator;
  }

  get waiting() {
    return this.#waiting.length;
  }

  get usage() {
    return this.#blocks / this.totalBlocks;
  }

  get totalBlocks() {
    return Math.floor((this.context * this.slots) / BLOCK);
  }

  tokenize(text) {
    return this.#model.tokenize(text);
  }

  /** With the token that every prompt begins with. */
  promptOf(text) {
    return [this.#model.tokens.bos, ...this.tokenize(text)];
  }

  /** Yields pieces of text, then why it ended: `{ piece }`, `{ stop }`. Stops without a word when the signal fires. */
  async *generate(prompt, { most, temperature = 1, seed }, signal) {
    const sequence = await this.#slot(signal);
    if (sequence === undefined) return;
    this.running += 1;
    let mine = 0;
    const grow = (tokens) => {
      const blocks = Math.ceil(tokens / BLOCK);
      this.#blocks += blocks - mine;
      mine = blocks;
    };
    try {
      await sequence.clearHistory();
      grow(prompt.length);
      let count = 0;
      for await (const token of sequence.evaluate(prompt, { temperature, seed, yieldEogToken: true })) {
        if (signal.aborted) return;
        if (this.#model.isEogToken(token)) return yield { stop: 'stop' };
        count += 1;
        this.generated += 1;
        grow(prompt.length + count);
        yield { piece: this.#model.detokenize([token]) };
        if (count >= most) return yield { stop: 'length' };
        if (this.#tokenMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#tokenMs));
      }
    } finally {
      grow(0);
      this.running -= 1;
      if (signal.aborted) this.aborted += 1;
      const next = this.#waiting.shift();
      if (next) next(sequence);
      else this.#free.push(sequence);
    }
  }

  /** undefined: the signal fired first. */
  #slot(signal) {
    const free = this.#free.pop();
    if (free) return free;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => {
        const at = this.#waiting.indexOf(resolve);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        this.aborted += 1;
        resolve(undefined);
      });
    });
  }
}
