import { join } from "node:path";
import { commandLine } from "../../../src/worker/cli/commandLine";
import { failure } from "../../../src/worker/cli/failure";
import { mistakes } from "./schema";

export const ROOT = join(__dirname, "../../..");
export const DIGITS = join(ROOT, "examples/digits/model.py");
export const DIGITS_WEIGHTS = join(ROOT, "examples/digits/base.safetensors");
export const DIGITS_DATA = join(ROOT, "examples/digits/digits.csv");
export const TRANSFORMER = join(ROOT, "examples/transformer/model.py");

export interface Invoked {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs one command line as main.ts does, in this process. What it prints with `--json` must fit the command's schema. */
export async function invoke(...args: readonly string[]): Promise<Invoked> {
  let [code, out, error] = [0, "", ""];
  const never = new AbortController().signal;
  const program = commandLine(
    {
      out: (text) => {
        out += text;
      },
      note: (text) => {
        error += text;
      },
      interactive: false,
      mediaFolder: join(ROOT, "dist/media"),
      stop: never,
      signal: never,
    },
    (ended) => {
      code = ended;
    },
    () => {
      throw new Error("no test serves");
    },
  );
  try {
    await program.parseAsync(["node", "lora-lens", ...args]);
  } catch (thrown) {
    const failed = failure(thrown, false);
    code = failed.code;
    error += failed.text;
  }
  if (args.includes("--json") && out !== "") {
    const wrong = mistakes(args[0]!, JSON.parse(out));
    if (wrong.length > 0) throw new Error(`${args.join(" ")} prints what its schema refuses:\n${wrong.join("\n")}`);
  }
  return { code, out, error };
}

/** Runs a command with `--json`, which must succeed and print JSON and nothing else. */
export async function json<T>(...args: readonly string[]): Promise<T> {
  const { code, out, error } = await invoke(...args, "--json");
  if (code !== 0 || error !== "") throw new Error(`exit code ${code}: ${error}${out}`);
  return JSON.parse(out) as T;
}
