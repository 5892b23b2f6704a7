import type { ModelChoice } from "../../../../src/protocol/jobs";
import { forward as run } from "../../../../src/worker/jobs/forward/forward";

const never = new AbortController().signal;

/** Runs forward on the CPU on an .npz file's arrays, and writes the outputs. */
export function runForward(files: {
  readonly model: ModelChoice;
  readonly adapterFolder?: string;
  readonly inputs: string;
  readonly output: string;
}) {
  const { inputs, ...others } = files;
  const request = { kind: "run", sample: { file: inputs }, engine: "onnxruntime-cpu", ...others } as const;
  return run(request, { onProgress: () => undefined, signal: never, stop: never });
}
