/** Takes the place of `require.resolve` in packages: what other packages give lies in vendor/, beside the bundles. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { ONNXRUNTIME, VENDORED_FILES } from "./vendored";

/** Set by the bundler: false where onnxruntime-node is a package of its own, installed beside this one. */
declare const CARRIES_ONNXRUNTIME: boolean;

export function resolvePackaged(name: string): string {
  const file = CARRIES_ONNXRUNTIME && name === ONNXRUNTIME.name ? ONNXRUNTIME.bundle : VENDORED_FILES[name];
  return file === undefined ? createRequire(__filename).resolve(name) : join(__dirname, "vendor", file);
}
