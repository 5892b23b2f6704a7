import { join } from "node:path";
import { root } from "../build.mjs";

/** A VSIX file: one for a platform, with its native code, or the one for all others. */
export interface Target {
  /** VS Code's name of the platform; `universal` for the package that runs on each. */
  readonly name: string;
  /** As Node.js names the platform; absent for `universal`. */
  readonly platform?: { readonly os: NodeJS.Platform; readonly arch: string };
  /** Files of onnxruntime-node's folder for the platform; none where it has no binaries for it. */
  readonly native: readonly string[];
}

// Where onnxruntime-node names two copies of a library, the one that its binding is linked with. DirectML.dll is loaded
// for a provider that no engine uses; dxcompiler.dll and dxil.dll are WebGPU's.
const LINUX = ["libonnxruntime.so.1", "onnxruntime_binding.node"];
const MAC = ["libonnxruntime.1.dylib", "onnxruntime_binding.node"];
const WINDOWS = ["onnxruntime.dll", "dxcompiler.dll", "dxil.dll", "onnxruntime_binding.node"];

export const TARGETS: readonly Target[] = [
  { name: "linux-x64", platform: { os: "linux", arch: "x64" }, native: LINUX },
  { name: "linux-arm64", platform: { os: "linux", arch: "arm64" }, native: LINUX },
  { name: "darwin-arm64", platform: { os: "darwin", arch: "arm64" }, native: MAC },
  // ONNX Runtime has no more binaries for Macs with Intel processors.
  { name: "darwin-x64", platform: { os: "darwin", arch: "x64" }, native: [] },
  { name: "win32-x64", platform: { os: "win32", arch: "x64" }, native: WINDOWS },
  { name: "win32-arm64", platform: { os: "win32", arch: "arm64" }, native: WINDOWS },
  { name: "universal", native: [] },
];

/** The folder that receives what is packed; not in git. */
export const PACKAGES = join(root, "packages");

/** Name of the npm package of the command line among the things to pack. */
export const NPM = "npm";

/** The target of this machine; undefined where there is none but `universal`. */
export function ownTarget(): Target | undefined {
  return TARGETS.find(({ platform }) => platform?.os === process.platform && platform.arch === process.arch);
}

/** Why a package has no ONNX Runtime and where there is one, in words that follow "onnxruntime-node does not load: ". */
export function withoutNative({ name, platform }: Target): string {
  if (platform) {
    return `ONNX Runtime has no binaries for ${name}; TensorFlow.js, which this package carries, runs everything in its place`;
  }
  const others = TARGETS.filter(({ native }) => native.length > 0).map((target) => target.name);
  return `this is the universal package of LoRA Lens, which carries no native code; the packages for ${others.join(", ")} carry ONNX Runtime`;
}
