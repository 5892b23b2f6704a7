import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  type CodeLens,
  createProtocolConnection,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import { build, root } from "../scripts/build.mjs";

/**
 * `npm run bench:editor [-- --json] [-- --python INTERPRETER FILE ...]`: how long the editor waits for lenses, and what
 * the worker takes of memory. It speaks to the worker that ships, over its standard input, as an editor does:
 *
 * - cold: the worker's start and the first lenses; open: the first lenses of a file in a worker that runs
 * - key: the lenses after a keystroke inside a layer's line, which changes them; all of a file's hints with shapes
 * - interrupted: the same with a keystroke before it whose reading, or the shapes after it, this one abandons
 * - memory: after opening files, of which each has its own reading
 *
 * The sources are made of the transformer example, over and over with other class names, unless FILEs are named.
 */

const LINES = [300, 1500, 4000];
/** A minute of typing: the first ones wait for V8 to compile what they run. */
const KEYSTROKES = 200;
const COLD_STARTS = 5;
const FILES_OPEN = 200;

interface Latency {
  readonly file: string;
  readonly lines: number;
  readonly lenses: number;
  readonly coldMs: number;
  readonly openMs: number;
  readonly keyMs: number;
  readonly key90Ms: number;
  readonly hintsMs: number;
  readonly interruptedMs: number;
}

/** The example's classes, each copy under names of its own, until there are enough lines. */
function sourceOf(lines: number): string {
  const example = readFileSync(join(root, "examples/transformer/model.py"), "utf8").split(
    '\nif __name__ == "__main__"',
  )[0]!;
  const copies: string[] = [];
  for (let copy = 0, length = 0; length < lines; copy++) {
    const text = example.replace(/\b(SelfAttention|FeedForward|Block|SmallTransformer)\b/g, `$1${copy}`);
    copies.push(text);
    length += text.split("\n").length;
  }
  return copies.join("\n").split("\n").slice(0, lines).join("\n");
}

/** An editor's side of the worker. */
class Editor {
  private readonly connection: ProtocolConnection;
  private version = 1;

  private constructor(private readonly child: ChildProcess) {
    this.connection = createProtocolConnection(
      new StreamMessageReader(child.stdout!),
      new StreamMessageWriter(child.stdin!),
    );
    this.connection.listen();
  }

  static async start(python?: string): Promise<Editor> {
    const child = spawn(process.execPath, [join(root, "dist/worker.js"), "serve", "--stdio"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const editor = new Editor(child);
    await editor.connection.sendRequest("initialize", {
      processId: process.pid,
      rootUri: null,
      capabilities: {},
      initializationOptions: {
        environments:
          python === undefined ? [] : [{ folder: "", candidates: [{ path: python, from: "--python", named: true }] }],
      },
    });
    await editor.connection.sendNotification("initialized", {});
    return editor;
  }

  open(uri: string, text: string): Promise<void> {
    return this.connection.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId: "python", version: this.version, text },
    });
  }

  change(uri: string, edit: Edit): Promise<void> {
    const { line, column, insert, remove } = edit;
    const range = { start: { line, character: column }, end: { line, character: column + remove } };
    return this.connection.sendNotification("textDocument/didChange", {
      textDocument: { uri, version: ++this.version },
      contentChanges: [{ range, text: insert }],
    });
  }

  close(uri: string): Promise<void> {
    return this.connection.sendNotification("textDocument/didClose", { textDocument: { uri } });
  }

  lenses(uri: string): Promise<CodeLens[]> {
    return this.connection.sendRequest("textDocument/codeLens", { textDocument: { uri } });
  }

  hints(uri: string): Promise<unknown[]> {
    const range = { start: { line: 0, character: 0 }, end: { line: 1e6, character: 0 } };
    return this.connection.sendRequest("textDocument/inlayHint", { textDocument: { uri }, range });
  }

  /** Resident set of the worker with its threads, in MB. */
  memoryMB(): number {
    const kilobytes = execFileSync("ps", ["-o", "rss=", "-p", String(this.child.pid)], { encoding: "utf8" });
    return Number(kilobytes) / 1024;
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    await this.connection.sendRequest("shutdown");
    await this.connection.sendNotification("exit");
    this.connection.dispose();
    await ended;
  }
}

interface Edit {
  readonly line: number;
  readonly column: number;
  readonly insert: string;
  readonly remove: number;
}

/** Writes a digit into a layer's name in the middle of the text, and takes it away with the next keystroke. */
function keystrokes(text: string): (count: number) => Edit {
  const lines = text.split("\n");
  const layer = /^(\s*self\.\w+)( = nn\.(Linear|LayerNorm|Embedding)\()/;
  const places = lines.flatMap((content, line) => {
    const column = layer.exec(content)?.[1]?.length;
    return column === undefined ? [] : [{ line, column }];
  });
  const place = places[places.length >> 1];
  if (!place) throw new Error("the file assigns no layer to self: no keystroke in it would change a lens");
  return (count) => ({ ...place, insert: count % 2 === 0 ? "1" : "", remove: count % 2 });
}

function median(values: readonly number[], at = 0.5): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * at)]!;
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

async function measure(file: string, text: string, python?: string): Promise<Latency> {
  const uri = file.startsWith("/") ? `file://${file}` : `file:///${file}`;
  const cold: number[] = [];
  for (let round = 0; round < COLD_STARTS; round++) {
    let started: Editor | undefined;
    const { ms } = await timed(async () => {
      started = await Editor.start(python);
      await started.open(uri, text);
      return started.lenses(uri);
    });
    cold.push(ms);
    await started!.end();
  }
  const editor = await Editor.start(python);
  // The thread and the parser are started by another file.
  await editor.open("file:///first.py", sourceOf(100));
  await editor.hints("file:///first.py");
  const opened = await timed(async () => {
    await editor.open(uri, text);
    return editor.lenses(uri);
  });
  const stroke = keystrokes(text);
  const [key, hints, interrupted]: number[][] = [[], [], []];
  for (let count = 0; count < KEYSTROKES; count++) {
    await editor.hints(uri);
    const { ms } = await timed(async () => {
      await editor.change(uri, stroke(count));
      return editor.lenses(uri);
    });
    key!.push(ms);
    hints!.push(ms + (await timed(() => editor.hints(uri))).ms);
  }
  for (let count = 0; count < KEYSTROKES; count += 2) {
    await editor.hints(uri);
    await editor.change(uri, stroke(count));
    // Asked as an editor does; answered with the newer text's lenses.
    const first = editor.lenses(uri);
    await new Promise((resolve) => setTimeout(resolve, 25));
    const { ms } = await timed(async () => {
      await editor.change(uri, stroke(count + 1));
      return editor.lenses(uri);
    });
    await first;
    interrupted!.push(ms);
  }
  await editor.end();
  return {
    file,
    lines: text.split("\n").length,
    lenses: opened.value.length,
    coldMs: median(cold),
    openMs: opened.ms,
    keyMs: median(key!),
    key90Ms: median(key!, 0.9),
    hintsMs: median(hints!),
    interruptedMs: median(interrupted!),
  };
}

interface Memory {
  readonly files: number;
  readonly oneMB: number;
  readonly allMB: number;
  readonly closedMB: number;
}

async function memory(): Promise<Memory> {
  const editor = await Editor.start();
  const uri = (index: number) => `file:///model${index}.py`;
  await editor.open(uri(0), sourceOf(300));
  await editor.hints(uri(0));
  const oneMB = editor.memoryMB();
  for (let index = 1; index < FILES_OPEN; index++) {
    await editor.open(uri(index), sourceOf(300).replaceAll("Block", `Block${index}`));
    await editor.hints(uri(index));
  }
  const allMB = editor.memoryMB();
  for (let index = 0; index < FILES_OPEN; index++) await editor.close(uri(index));
  await editor.open(uri(0), sourceOf(300));
  await editor.hints(uri(0));
  const closedMB = editor.memoryMB();
  await editor.end();
  return { files: FILES_OPEN, oneMB, allMB, closedMB };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" }, python: { type: "string" } },
  });
  await build();
  const cases =
    positionals.length > 0
      ? positionals.map((file) => ({ file, text: readFileSync(file, "utf8") }))
      : LINES.map((lines) => ({ file: `made-${lines}.py`, text: sourceOf(lines) }));
  if (!values.json)
    process.stdout.write("file · lines · cold · open · key (90 %) · with hints · interrupted · key over open\n");
  const latencies: Latency[] = [];
  for (const { file, text } of cases) {
    const row = await measure(file, text, values.python);
    latencies.push(row);
    const ms = (n: number) => `${n.toFixed(0)} ms`;
    if (values.json) continue;
    process.stdout.write(
      `${row.file} · ${row.lines} · ${ms(row.coldMs)} · ${ms(row.openMs)} · ${ms(row.keyMs)} (${ms(row.key90Ms)}) · ${ms(row.hintsMs)} · ${ms(row.interruptedMs)} · ${(row.keyMs / row.openMs).toFixed(2)}×\n`,
    );
  }
  const used = positionals.length > 0 ? undefined : await memory();
  if (values.json) process.stdout.write(`${JSON.stringify({ latencies, memory: used }, null, 2)}\n`);
  else if (used)
    process.stdout.write(
      `worker's memory: ${used.oneMB.toFixed(0)} MB with one file of 300 lines, ${used.allMB.toFixed(0)} MB with ${used.files} (${(used.allMB / used.oneMB).toFixed(2)}×), ${used.closedMB.toFixed(0)} MB after closing them\n`,
    );
}

void main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
