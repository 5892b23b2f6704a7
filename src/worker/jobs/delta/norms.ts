import { toFloat32 } from "../../formats/convert";
import { DTYPE_BYTES } from "../../formats/dtype";
import { readFully, withFile } from "../../formats/files";
import { loadTensor } from "../../formats/safetensors";
import { type StoredTensor, sizeOf, tensorFromBytes } from "../../formats/tensor";
import type { Pause } from "../../numbers/algebra/matrix";

/** Values between two pauses: about a ms. */
const VALUES_A_TURN = 2 ** 17;

/** The Frobenius norm of a tensor wherever it is, in float64; one in a file is read piece by piece. */
export async function frobenius(stored: StoredTensor, pause: Pause): Promise<number> {
  if (!("file" in stored)) return Math.sqrt(await sumOfSquares(toFloat32(await loadTensor(stored)), pause));
  const { dtype, shape, file, offset } = stored;
  const width = DTYPE_BYTES[dtype];
  const length = sizeOf(shape);
  return withFile(file, async (handle) => {
    let sum = 0;
    for (let done = 0; done < length; ) {
      const count = Math.min(VALUES_A_TURN, length - done);
      const bytes = new Uint8Array(count * width);
      await readFully(handle, file, bytes, offset + done * width);
      sum += await sumOfSquares(toFloat32(tensorFromBytes(dtype, [count], bytes)), pause);
      done += count;
    }
    return Math.sqrt(sum);
  });
}

async function sumOfSquares(values: Float32Array, pause: Pause): Promise<number> {
  let sum = 0;
  for (let from = 0; from < values.length; from += VALUES_A_TURN) {
    const to = Math.min(values.length, from + VALUES_A_TURN);
    for (let i = from; i < to; i++) sum += values[i]! * values[i]!;
    await pause();
  }
  return sum;
}
