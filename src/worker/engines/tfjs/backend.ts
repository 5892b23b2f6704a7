import { existsSync, readdirSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import util from "node:util";
import type * as Tf from "@tensorflow/tfjs";

export interface Backend {
  readonly tf: typeof Tf;
  /** WebAssembly lacks quick kernels for transposed products: see ops.ts. */
  readonly kind: "tensorflow" | "wasm";
  readonly device: string;
}

let loaded: Promise<Backend> | undefined;

/** TensorFlow's C library, with CUDA, where tfjs-node-gpu is installed with its native binding; else WebAssembly. */
export function loadBackend(): Promise<Backend> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Backend> {
  const binding = nativeFolder();
  if (binding === undefined) return wasm("");
  try {
    return await native();
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return wasm(`; tfjs-node-gpu is installed, but does not load: ${why}`);
  }
}

/** tfjs-node-gpu's folder, where its native binding has been built or downloaded too. */
function nativeFolder(): string | undefined {
  let folder: string;
  try {
    folder = dirname(require.resolve("@tensorflow/tfjs-node-gpu/package.json"));
  } catch {
    return undefined; // an optional dependency
  }
  const lib = join(folder, "lib");
  if (!existsSync(lib)) return undefined;
  const built = readdirSync(lib).some((napi) => existsSync(join(lib, napi, "tfjs_binding.node")));
  return built ? folder : undefined;
}

async function native(): Promise<Backend> {
  // tfjs-node calls it, and Node.js 23 removed it.
  const legacy = util as { isNullOrUndefined?: (value: unknown) => boolean };
  legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
  // Otherwise TensorFlow reports each device it finds on the standard error stream.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  const tf = (await import("@tensorflow/tfjs-node-gpu")) as unknown as typeof Tf;
  tf.env().set("PROD", true);
  await tf.ready();
  const { isUsingGpuDevice } = tf.backend() as { isUsingGpuDevice?: boolean };
  return { tf, kind: "tensorflow", device: isUsingGpuDevice ? "NVIDIA GPU (CUDA, TensorFlow)" : "CPU (TensorFlow)" };
}

async function wasm(note: string): Promise<Backend> {
  const tf = await import("@tensorflow/tfjs");
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  // In production mode it prints no advice.
  tf.env().set("PROD", true);
  setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm")) + sep);
  if (!(await tf.setBackend("wasm"))) throw new Error("the WebAssembly back end did not start");
  await tf.ready();
  const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT");
  return { tf, kind: "wasm", device: `${simd ? "WebAssembly SIMD" : "WebAssembly"}, one CPU thread${note}` };
}
