import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Matrix, minusProduct, pauseFor, transposedTimes } from "../../../../src/worker/numbers/algebra/matrix";
import { firstOrthogonal } from "../../../../src/worker/numbers/algebra/orthogonal";
import { largestSingular } from "../../../../src/worker/numbers/algebra/singular";
import { symmetricEigen } from "../../../../src/worker/numbers/algebra/symmetric";
import { Random } from "../../../../src/worker/numbers/random";

interface Case {
  readonly kind: "flat" | "decaying" | "repeated";
  readonly rows: number;
  readonly columns: number;
  /** The largest rank + 1. */
  readonly values: readonly number[];
  /** What is left when the largest rank triplets are subtracted, and when half of the first rank of Q R is. */
  readonly pissa: readonly number[];
  readonly olora: readonly number[];
}

/** By PyTorch in float64 (test/fixtures/adapters/make_decompositions.py). */
const { rank, samples, cases }: { rank: number; samples: number; cases: readonly Case[] } = JSON.parse(
  readFileSync(join(__dirname, "../../../fixtures/adapters/decompositions.json"), "utf8"),
);

const pause = pauseFor(undefined);
const times = (a: number, b: number) => Number((BigInt(a) * BigInt(b)) & 0xffffffffn);

function matrixOf({ kind, rows, columns }: Case): Matrix {
  const data = new Float32Array(rows * columns);
  for (let k = 0; k < data.length; k++) {
    let i = times(k + 1, 2654435761);
    i = times((i ^ (i >>> 15)) >>> 0, 2246822519);
    i = times((i ^ (i >>> 13)) >>> 0, 3266489917);
    data[k] = ((i ^ (i >>> 16)) >>> 0) / 2 ** 32 - 0.5;
  }
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = i * columns + j;
      if (kind === "decaying") data[at] = data[at]! * Math.fround(Math.sqrt(Math.fround(1 / (j + 1))));
      if (kind !== "repeated") continue;
      if (i < 8 && j < 8) data[at] = i === j ? 1 : 0;
      else if (i < 8 || j < 8) data[at] = 0;
      else data[at] = data[at]! * Math.fround(0.01);
    }
  }
  return { rows, columns, data };
}

function sampledNear({ data }: Matrix, expected: readonly number[], what: string): void {
  const step = Math.max(1, Math.floor(data.length / samples));
  expected.forEach((value, i) => {
    assert.ok(Math.abs(data[i * step]! - value) < 2e-7, `${what}[${i}] is ${data[i * step]}, PyTorch's is ${value}`);
  });
}

describe("decompositions", () => {
  for (const one of cases) {
    const what = `${one.kind} [${one.rows}, ${one.columns}]`;

    it(`of a ${what} matrix: the largest singular values and what is left without them are PyTorch's`, async () => {
      const matrix = matrixOf(one);
      const { values, leftTimesValues, right } = await largestSingular(matrix, rank, pause);
      assert.equal(values.length, rank + 1);
      // The one after the last is only told from it, and need not be as near.
      one.values.slice(0, rank).forEach((value, i) => {
        assert.ok(Math.abs(values[i]! - value) < 1e-6 * one.values[0]!, `value ${i}: ${values[i]}, not ${value}`);
      });
      assert.ok(Math.abs(values[rank]! - one.values[rank]!) < 0.02 * one.values[0]!);
      sampledNear(await minusProduct(matrix, leftTimesValues, right, 1, pause), one.pissa, what);
    });

    it(`of a ${what} matrix: the first columns of Q and rows of R are PyTorch's`, async () => {
      const matrix = matrixOf(one);
      const { q, weakest } = firstOrthogonal(matrix, rank);
      assert.ok(weakest > 0.5);
      const r = await transposedTimes(matrix, q, pause);
      sampledNear(await minusProduct(matrix, q, r, 0.5, pause), one.olora, what);
    });
  }

  it("eigenvectors of a symmetric matrix are orthonormal and turn it into its eigenvalues", () => {
    const random = new Random(1);
    for (const n of [1, 2, 3, 17, 90]) {
      const rows = Array.from({ length: n }, () => Float64Array.from({ length: n }, () => random.normal()));
      for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) rows[j]![i] = rows[i]![j]!;
      const { values, vectors } = symmetricEigen(rows);
      for (let k = 0; k < n; k++) {
        assert.ok(k === 0 || values[k - 1]! >= values[k]!);
        const v = vectors[k]!;
        for (let i = 0; i < n; i++) {
          const image = rows[i]!.reduce((sum, x, j) => sum + x * v[j]!, 0);
          assert.ok(Math.abs(image - values[k]! * v[i]!) < 1e-12 * n);
          const inner = v.reduce((sum, x, j) => sum + x * vectors[i]![j]!, 0);
          assert.ok(Math.abs(inner - (i === k ? 1 : 0)) < 1e-12 * n);
        }
      }
    }
  });

  it("a zero matrix has no singular values but 0, and one of a low rank has as many as that", async () => {
    const zero = { rows: 200, columns: 150, data: new Float32Array(200 * 150) };
    assert.ok((await largestSingular(zero, 4, pause)).values.every((value) => value === 0));
    const data = Float32Array.from({ length: 200 * 150 }, (_, k) => (k % 150) + 1);
    const { values } = await largestSingular({ rows: 200, columns: 150, data }, 4, pause);
    assert.ok(values[0]! > 1000 && values.slice(1).every((value) => value < 1e-5 * values[0]!));
  });

  it("a product of two thin matrices, rounded to float32, has as many singular values as they are thin", async () => {
    for (const size of [64, 96, 112, 128]) {
      for (const rank of [1, 2, 4, 8]) {
        const b = matrixOf({ kind: "decaying", rows: size, columns: rank } as Case);
        const a = matrixOf({ kind: "flat", rows: rank, columns: size } as Case);
        const data = new Float32Array(size * size);
        for (let i = 0; i < size; i++) {
          for (let j = 0; j < size; j++) {
            let sum = 0;
            for (let k = 0; k < rank; k++) sum += (b.data[i * rank + k]! * a.data[k * size + j]!) / 2 ** k;
            data[i * size + j] = sum;
          }
        }
        const { values } = await largestSingular({ rows: size, columns: size, data }, rank, pause);
        assert.ok(values[rank - 1]! > 1e-4 * values[0]!, `size ${size}, rank ${rank}: the last is ${values[rank - 1]}`);
        assert.ok(values[rank]! < 1e-6 * values[0]!, `size ${size}, rank ${rank}: the next is ${values[rank]}`);
      }
    }
  });

  it("a column of zeros gets an axis in Q, and one that depends on others is reported", () => {
    const data = Float32Array.from([1, 0, 2, 0, 0, 0, 0, 0, 1]);
    const { q, weakest } = firstOrthogonal({ rows: 3, columns: 3, data }, 2);
    assert.deepEqual(
      q.map((column) => [...column].map(Math.abs)),
      [
        [1, 0, 0],
        [0, 1, 0],
      ],
    );
    assert.equal(weakest, 1);
    const twice = Float32Array.from([1, 2, 3, 6, 0.1, 0.2]);
    assert.ok(firstOrthogonal({ rows: 3, columns: 2, data: twice }, 2).weakest < 1e-6);
  });

  it("end when they are aborted", async () => {
    const aborted = new AbortController();
    aborted.abort();
    const job = largestSingular(matrixOf(cases[2]!), rank, pauseFor(aborted.signal));
    await assert.rejects(job, { name: "AbortError" });
  });
});
