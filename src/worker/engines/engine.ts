import type { StoredTensor, Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";

export type Availability =
  | {
      readonly available: true;
      /** What it runs on, for people: "2 CPU threads", "NVIDIA H200 (CUDA 12)", "WebAssembly SIMD". */
      readonly device: string;
      /** A GPU interface implemented on the CPU: right but slow. `auto` never picks it. */
      readonly software?: boolean;
    }
  | { readonly available: false /** Why not, and what to do about it. */; readonly reason: string };

/** Where a parameter's value comes from: bytes in a file, which are mapped and not copied, memory, other tensors, or blocks. */
export type ParameterValue = StoredTensor;

export interface CompileOptions {
  /** A value for every parameter of the graph, by path. */
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly signal?: AbortSignal;
}

/** A tensor in the engine's own memory. Feeding an executable's output back in costs no copy where the engine can. */
export interface EngineTensor {
  readonly shape: readonly number[];
  /** Copies it to the host. */
  read(): Promise<Tensor>;
  dispose(): void;
}

export type Feed = Tensor | EngineTensor;

/** A compiled graph. Not reentrant: await one run before the next. */
export interface Executable {
  /** Feeds for each of the graph's inputs, by name; returns each output, to be disposed of by the caller. */
  run(feeds: ReadonlyMap<string, Feed>): Promise<Map<string, EngineTensor>>;
  dispose(): Promise<void>;
}

/** Turns a graph into numbers. Nothing above this interface knows which engine runs. */
export interface Engine {
  /** As settings, requests and the command line name it; `auto` picks among all (engines/choose.ts). */
  readonly id: string;
  /** Name on screen. */
  readonly label: string;
  /** Loads the native library on first call. Never throws. */
  available(): Promise<Availability>;
  /** Throws a UserError when the device cannot run the graph, naming the op or the memory it lacks. */
  compile(graph: Graph, options: CompileOptions): Promise<Executable>;
}
