import type { Availability, Engine } from "./engine";
import { onnxruntimeEngine } from "./onnxruntime/engine";
import { tfjsEngine } from "./tfjs/engine";

/** A way to run. */
export interface EngineRow {
  /** Loads no library: the engine does when it is first asked whether it can run. */
  create(): Engine;
  /** The order in which `auto` tries engines, lowest first. Without it, the engine must be named. */
  readonly automatic: readonly Turn[];
}

export interface Turn {
  readonly turn: number;
  takes(state: Available): boolean;
}

type Available = Extract<Availability, { available: true }>;

const isReal = (state: Available) => !state.software;
const hasCuda = (state: Available) => /CUDA/.test(state.device);
const always = () => true;

/** `auto` is the fastest real device: CUDA, a GPU through WebGPU, TensorFlow.js where that has CUDA, then the CPU. */
export const ENGINES: readonly EngineRow[] = [
  { create: () => onnxruntimeEngine("cuda"), automatic: [{ turn: 1, takes: isReal }] },
  { create: () => onnxruntimeEngine("webgpu"), automatic: [{ turn: 2, takes: isReal }] },
  { create: () => onnxruntimeEngine("cpu"), automatic: [{ turn: 4, takes: always }] },
  {
    create: tfjsEngine,
    automatic: [
      { turn: 3, takes: hasCuda },
      { turn: 5, takes: always },
    ],
  },
];
