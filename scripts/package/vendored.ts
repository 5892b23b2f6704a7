/**
 * What packages carry of other packages in a bundle or a file of its own, in vendor/ beside the worker's bundles: several
 * bundles share it, or it finds its files by its own place.
 */

/** Bundles, by what is imported. */
export const VENDORED_MODULES: Readonly<Record<string, { readonly entry: string; readonly bundle: string }>> = {
  "@tensorflow/tfjs": { entry: "scripts/package/tfjs.ts", bundle: "tfjs.js" },
  "@tensorflow/tfjs-backend-wasm": { entry: "scripts/package/tfjs.ts", bundle: "tfjs.js" },
  "h5wasm/node": { entry: "node_modules/h5wasm/dist/node/hdf5_hl.js", bundle: "h5wasm.js" },
  "vscode-languageclient/node": {
    entry: "node_modules/vscode-languageclient/lib/node/main.js",
    bundle: "languageclient.js",
  },
  "web-tree-sitter": { entry: "node_modules/web-tree-sitter/web-tree-sitter.cjs", bundle: "web-tree-sitter.js" },
};

/** It finds its native code in ../bin, so that its bundle lies in a folder as the package's own files do. */
export const ONNXRUNTIME = {
  name: "onnxruntime-node",
  entry: "node_modules/onnxruntime-node/dist/index.js",
  bundle: "onnxruntime/dist/index.js",
  native: "onnxruntime/bin/napi-v6",
} as const;

/** Files, by the name that `require.resolve` is given. */
export const VENDORED_FILES: Readonly<Record<string, string>> = {
  "web-tree-sitter/web-tree-sitter.wasm": "web-tree-sitter.wasm",
  "tree-sitter-python/tree-sitter-python.wasm": "tree-sitter-python.wasm",
  "tree-sitter-typescript/tree-sitter-typescript.wasm": "tree-sitter-typescript.wasm",
  "tree-sitter-typescript/tree-sitter-tsx.wasm": "tree-sitter-tsx.wasm",
  "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm": "tfjs-backend-wasm.wasm",
  // The back end looks for it beside the one above where there is SIMD; its third, for threads, is not for Node.js.
  "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm": "tfjs-backend-wasm-simd.wasm",
};
