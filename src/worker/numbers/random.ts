/**
 * Pseudorandom numbers from a seed: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2018; period 2^128 - 1), its state filled by splitmix32 so that neighboring seeds are unrelated.
 * The same seed gives the same numbers on every platform; they are not PyTorch's.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;
  private spareNormal: number | undefined;

  /** `seed`: any whole number; all 53 bits count. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed must be a whole number, not ${seed}`);
    const low = splitmix(seed >>> 0);
    const high = splitmix(Math.floor(seed / 2 ** 32) ^ 0x5bf03635);
    this.a = low() ^ high();
    this.b = low() ^ high();
    this.c = low() ^ high();
    this.d = low() ^ high();
    // The all-zero state is the generator's one fixed point.
    if ((this.a | this.b | this.c | this.d) === 0) this.a = 1;
  }

  /** 32 random bits, 0 to 2^32 - 1. */
  bits(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.b, 5), 7), 9) >>> 0;
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = rotateLeft(this.d, 11);
    return result;
  }

  /** Uniform in [0, 1), with 53 random bits. */
  next(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) * 2 ** -53;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Standard normal, by the polar method (Marsaglia and Bray, 1964). */
  normal(): number {
    if (this.spareNormal !== undefined) {
      const spare = this.spareNormal;
      this.spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const u = 2 * this.next() - 1;
      const v = 2 * this.next() - 1;
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(s)) / s);
      this.spareNormal = v * factor;
      return u * factor;
    }
  }

  /** A whole number from 0 to n - 1, each as likely; n is at most 2^32. */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw new RangeError(`below needs 1 to 2^32, not ${n}`);
    // Draws above the last multiple of n would favor small numbers: they are drawn again.
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const drawn = this.bits();
      if (drawn < limit) return drawn % n;
    }
  }

  /** Permutes in place, each order as likely (Fisher and Yates). */
  shuffle(values: Uint32Array): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const held = values[i]!;
      values[i] = values[j]!;
      values[j] = held;
    }
  }
}

/** splitmix32: the golden ratio's multiples, scrambled by MurmurHash3's finalizer. */
function splitmix(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  };
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
