import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { add, full, input } from "../../graph/build";
import { Graph } from "../../graph/graph";
import type { Availability } from "../engine";
import { lower } from "./lower";

/** A driver that hangs must not hang LoRA Lens. */
const PROBE_TIMEOUT_MS = 30_000;

/** Runs in a process of its own: argv is the module's path, the provider and a model in base64. */
const SCRIPT = `
const [modulePath, provider, model] = process.argv.slice(1);
const ort = require(modulePath);
(async () => {
  const session = await ort.InferenceSession.create(Buffer.from(model, "base64"), {
    executionProviders: [provider], logSeverityLevel: 4, extra: { "session.disable_cpu_ep_fallback": "1" },
  });
  const feeds = { [session.inputNames[0]]: new ort.Tensor("float32", Float32Array.of(1, 2), [2]) };
  const [result] = Object.values(await session.run(feeds));
  process.exitCode = result.data[1] === 3 ? 0 : 1;
})().catch((error) => { process.stdout.write(String(error.message)); process.exitCode = 1; });
`;

/**
 * Whether a GPU provider works here, found by running one addition on it. It runs in a child process, since a failing
 * driver can crash its process.
 */
export async function probe(provider: "webgpu" | "cuda", listed: boolean): Promise<Availability> {
  const x = input("x", [2], "float32");
  const model = lower(new Graph("probe", [x], new Map([["y", add(x, full(1, [2], "float32"))]]))).encode([]);
  const failure = await runScript([
    require.resolve("onnxruntime-node"),
    provider,
    Buffer.from(model).toString("base64"),
  ]);
  if (failure === undefined) return { available: true, ...(await device(provider)) };
  return { available: false, reason: reasonOf(provider, listed, failure) };
}

/** Undefined when it worked, else why not. */
function runScript(args: readonly string[]): Promise<string | undefined> {
  const env = { ...process.env, ELECTRON_RUN_AS_NODE: "1" };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["-e", SCRIPT, ...args],
      { env, timeout: PROBE_TIMEOUT_MS, windowsHide: true },
      (error, stdout, stderr) => {
        if (!error) resolve(undefined);
        else if (error.killed) resolve(`it did not answer within ${PROBE_TIMEOUT_MS / 1000} seconds`);
        else
          resolve(
            firstLine(stdout) || firstLine(stderr) || `its process ended with ${error.signal ?? `code ${error.code}`}`,
          );
      },
    );
  });
}

function reasonOf(provider: "webgpu" | "cuda", listed: boolean, failure: string): string {
  if (provider === "cuda") {
    return existsSync(cudaProvider())
      ? `CUDA did not start; it needs an NVIDIA GPU with its driver, CUDA and cuDNN 9 (${failure})`
      : `${basename(cudaProvider())}, ONNX Runtime's CUDA provider, is missing; ${wayToCuda()}`;
  }
  if (!listed) return `onnxruntime-node has no WebGPU provider for ${process.platform}-${process.arch}`;
  const vulkan =
    process.platform === "linux"
      ? ": it needs a Vulkan driver and the library libvulkan.so.1 (Debian and Ubuntu: apt install libvulkan1)"
      : "";
  return `no GPU that WebGPU can use was found${vulkan} (${failure})`;
}

function wayToCuda(): string {
  const folder = dirname(cudaProvider());
  // A package of LoRA Lens carries ONNX Runtime without npm's files, so that npm cannot rebuild it.
  return existsSync(join(dirname(require.resolve("onnxruntime-node")), "..", "package.json"))
    ? "on Linux x64 with an NVIDIA GPU, ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false downloads it"
    : `this package does not contain it; on Linux x64 with an NVIDIA GPU, put the files of onnxruntime-node's CUDA 12 build into ${folder}`;
}

async function device(provider: "webgpu" | "cuda"): Promise<{ device: string; software?: boolean }> {
  if (provider === "cuda") return { device: `${await nvidiaName()} (CUDA)` };
  const icd = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? "";
  const forced = /swiftshader|lvp_icd|llvmpipe/i.exec(icd)?.[0];
  // Vulkan reaches a GPU through one of these; where there is none, the adapter that answered is a software one.
  const hardware = process.platform !== "linux" || (await hasGpuNode());
  if (forced !== undefined || !hardware)
    return { device: "software Vulkan device (WebGPU on the CPU)", software: true };
  return { device: "GPU (WebGPU)" };
}

async function hasGpuNode(): Promise<boolean> {
  const entries = async (folder: string) => readdir(folder).catch(() => [] as string[]);
  const render = (await entries("/dev/dri")).some((name) => name.startsWith("renderD"));
  return render || (await entries("/dev")).some((name) => /^nvidia\d+$|^dxg$/.test(name));
}

function nvidiaName(): Promise<string> {
  return new Promise((resolve) => {
    execFile("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], { timeout: 5_000 }, (error, stdout) =>
      resolve(error ? "NVIDIA GPU" : stdout.split("\n")[0]!.trim()),
    );
  });
}

function cudaProvider(): string {
  const name = process.platform === "win32" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
  return join(
    dirname(require.resolve("onnxruntime-node")),
    "..",
    "bin",
    "napi-v6",
    process.platform,
    process.arch,
    name,
  );
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0]!;
}
