/**
 * TensorFlow.js as packages carry it: the union package without WebGL, graph models and data sets, which nothing uses,
 * and with the WebAssembly back end, which shares its core.
 */
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import { version_core } from "@tensorflow/tfjs-core";

export * from "@tensorflow/tfjs-backend-cpu";
export { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
export * from "@tensorflow/tfjs-core";
export * from "@tensorflow/tfjs-layers";

export const version = { tfjs: version_core };
