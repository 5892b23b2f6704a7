/**
 * PyTorch's CPU generator: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998) and the transformations of
 * at::uniform_ and at::normal_ for float32.
 */
const N = 624;
const M = 397;

export class Generator {
  private readonly state = new Uint32Array(N);
  private next = N;
  /** The second number of the last Box-Muller pair of the path for short tensors. */
  private cached: number | undefined;

  constructor(seed: number) {
    this.state[0] = seed >>> 0;
    for (let i = 1; i < N; i++) {
      const previous = this.state[i - 1]!;
      this.state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  private random(): number {
    if (this.next === N) this.refill();
    let y = this.state[this.next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  private refill(): void {
    const s = this.state;
    for (let i = 0; i < N; i++) {
      const y = (s[i]! & 0x80000000) | (s[(i + 1) % N]! & 0x7fffffff);
      s[i] = s[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }

  /** [0, 1) with 24 bits. */
  private float(): number {
    return (this.random() & 0xffffff) * 2 ** -24;
  }

  /** [0, 1) with 53 bits, of two draws; the first is the high half. */
  private double(): number {
    const high = this.random() & 0x1fffff;
    return (high * 2 ** 32 + this.random()) * 2 ** -53;
  }

  uniform(size: number, low: number, high: number): Float32Array {
    const values = new Float32Array(size);
    const from = Math.fround(low);
    const width = Math.fround(Math.fround(high) - from);
    // One rounding: PyTorch's builds contract the product and the sum into a fused multiply-add.
    for (let i = 0; i < size; i++) values[i] = this.float() * width + from;
    return values;
  }

  /**
   * Below 16 numbers PyTorch draws doubles one by one; from 16 on, blocks of 16 floats, of which the last is drawn
   * again.
   */
  normal(size: number, mean: number, std: number): Float32Array {
    const values = new Float32Array(size);
    if (size < 16) {
      for (let i = 0; i < size; i++) values[i] = this.normalDouble() * std + mean;
      return values;
    }
    for (let i = 0; i < size; i++) values[i] = this.float();
    for (let i = 0; i + 16 <= size; i += 16) boxMuller(values, i, mean, std);
    if (size % 16 !== 0) {
      for (let i = size - 16; i < size; i++) values[i] = this.float();
      boxMuller(values, size - 16, mean, std);
    }
    return values;
  }

  /** Moves on as if the numbers had been drawn. */
  skip(distribution: "uniform" | "normal", size: number): void {
    if (distribution === "normal" && size < 16) {
      for (let i = 0; i < size; i++) this.normalDouble();
      return;
    }
    const extra = distribution === "normal" && size % 16 !== 0 ? 16 : 0;
    for (let i = 0; i < size + extra; i++) this.random();
  }

  private normalDouble(): number {
    if (this.cached !== undefined) {
      const value = this.cached;
      this.cached = undefined;
      return value;
    }
    const [u1, u2] = [this.double(), this.double()];
    const radius = Math.sqrt(-2 * Math.log1p(-u2));
    const angle = 2 * Math.PI * u1;
    this.cached = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

function boxMuller(values: Float32Array, start: number, mean: number, std: number): void {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(Math.fround(1 - values[i]!)));
    const angle = 2 * Math.PI * values[i + 8]!;
    values[i] = Math.fround(radius * Math.cos(angle)) * std + mean;
    values[i + 8] = Math.fround(radius * Math.sin(angle)) * std + mean;
  }
}
