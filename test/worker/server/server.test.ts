import { strict as assert } from "node:assert";
import { fork } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Worker } from "node:worker_threads";
import {
  CancellationTokenSource,
  type CodeLens,
  createConnection,
  createProtocolConnection,
  type Hover,
  type InlayHint,
  LSPErrorCodes,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
  type ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import {
  DataColumnsRequest,
  DataFormatsRequest,
  EnginesRequest,
  HtmlRequest,
  InjectRequest,
  JobProgressNotification,
  type RequestName,
  RunJobRequest,
  SettingsNotification,
  SizesCsvRequest,
  StopJobRequest,
  SummaryRequest,
  TargetsRequest,
  WeightFilesRequest,
} from "../../../src/protocol/messages";
import { startServer } from "../../../src/worker/server/server";

const PROCESSES = join(__dirname, "processes");
const ADAPTERS = join(__dirname, "../../fixtures/adapters");
const A = "file:///a.py";
const B = "file:///b.py";
const NET = "import torch.nn as nn\nnn.Linear(768, 768)\nnn.Linear(768, 10)\n";

/** A server on a stream in memory and an editor at the other end; threads and processes are stand-ins. */
class Session {
  readonly client: ProtocolConnection;
  readonly diagnostics: PublishDiagnosticsParams[] = [];
  readonly counts = { threads: 0, processes: 0 };
  private readonly listeners: (() => void)[] = [];

  constructor() {
    const [up, down] = [new PassThrough(), new PassThrough()];
    startServer(createConnection(new StreamMessageReader(up), new StreamMessageWriter(down)), {
      startReadingThread: () => {
        this.counts.threads++;
        return new Worker(join(PROCESSES, "reading.cjs"));
      },
      forkCompute: () => {
        this.counts.processes++;
        const stdio = ["ignore", "pipe", "pipe", "ipc"] as const;
        return fork(join(PROCESSES, "compute.cjs"), [], { stdio: [...stdio], execArgv: [] });
      },
      pageAssets: async () => ({ script: "/* script */", style: "/* style */" }),
    });
    this.client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
    this.client.onNotification("textDocument/publishDiagnostics", (params: PublishDiagnosticsParams) => {
      this.diagnostics.push(params);
      for (const listener of this.listeners.splice(0)) listener();
    });
    this.client.listen();
  }

  async start(initializationOptions: unknown = {}): Promise<this> {
    await this.client.sendRequest("initialize", {
      processId: null,
      rootUri: null,
      capabilities: {},
      initializationOptions,
    });
    await this.client.sendNotification("initialized", {});
    return this;
  }

  async end(): Promise<void> {
    await this.client.sendRequest("shutdown");
    this.client.dispose();
  }

  open(uri: string, text: string): Promise<void> {
    return this.client.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId: "python", version: 1, text },
    });
  }

  change(uri: string, version: number, text: string): Promise<void> {
    return this.client.sendNotification("textDocument/didChange", {
      textDocument: { uri, version },
      contentChanges: [{ text }],
    });
  }

  lenses(uri: string, token?: CancellationTokenSource["token"]): Promise<CodeLens[]> {
    return this.request("textDocument/codeLens", { textDocument: { uri } }, token);
  }

  async titles(uri: string): Promise<string[]> {
    return (await this.lenses(uri)).map((lens) => lens.command!.title);
  }

  send<P, R>(name: RequestName<P, R>, params: P, token?: CancellationTokenSource["token"]): Promise<R> {
    return this.request(name.method, params, token);
  }

  /** jsonrpc would take an undefined token for a second parameter. */
  private request<R>(method: string, params: unknown, token?: CancellationTokenSource["token"]): Promise<R> {
    return token ? this.client.sendRequest(method, params, token) : this.client.sendRequest(method, params);
  }

  /** Waits for the next diagnostics that satisfy the condition. */
  async diagnosed(condition: (params: PublishDiagnosticsParams) => boolean): Promise<PublishDiagnosticsParams> {
    for (;;) {
      const found = this.diagnostics.find(condition);
      if (found) return found;
      await new Promise<void>((resolve) => this.listeners.push(resolve));
    }
  }
}

describe("language server", () => {
  let session: Session;
  beforeEach(async () => {
    session = await new Session().start();
  });
  afterEach(() => session.end());

  it("gives code lenses for an open document, and starts no compute process for it", async () => {
    assert.deepEqual(session.counts, { threads: 0, processes: 0 });
    await session.open(A, NET);
    const titles = await session.titles(A);
    assert.ok(titles.includes("LoRA r=8 · 12,288 trainable · 48.1× fewer · scale 2"), titles.join("\n"));
    assert.deepEqual(session.counts, { threads: 1, processes: 0 });
  });

  it("does not read a Python file without a model", async () => {
    await session.open(A, "print('hello')\n");
    assert.deepEqual(await session.titles(A), []);
    assert.equal(session.counts.threads, 0);
  });

  it("reads JSON only if it is a model, and TensorFlow.js source only if it has layers", async () => {
    await session.open("file:///package.json", '{ "dependencies": { "@tensorflow/tfjs": "^4.0.0", "torch": "1" } }');
    await session.open("file:///build.ts", "// torch, nn.Linear(3, 4)\n");
    assert.deepEqual(await session.titles("file:///package.json"), []);
    assert.deepEqual(await session.titles("file:///build.ts"), []);
    assert.equal(session.counts.threads, 0);
    await session.open("file:///digits.json", '{ "modelTopology": {} }\nnn.Linear(768, 768)');
    assert.ok((await session.titles("file:///digits.json")).length > 0);
  });

  it("leaves Keras's own files, which have no text, to their reader", async () => {
    const { models } = await session.send(SummaryRequest, { uri: "file:///nowhere/model.keras" });
    assert.equal(models.length, 1);
  });

  it("keeps a reading until the text changes", async () => {
    await session.open(A, NET);
    await session.titles(A);
    const again = await session.send(SummaryRequest, { uri: A });
    assert.equal(again.problems[0]!.message, "reading 1 of /a.py");
    await session.change(A, 2, NET.replace("768, 768", "768, 512"));
    const titles = await session.titles(A);
    assert.ok(titles.includes("LoRA r=8 · 10,240 trainable · 38.5× fewer · scale 2"), titles.join("\n"));
  });

  it("abandons a reading at a keystroke and answers with the newer text's", async () => {
    await session.open(A, `${NET}# until cancelled`);
    const asked = session.titles(A);
    await session.change(A, 2, NET);
    assert.equal((await asked).length, 7);
  });

  it("shows each of two documents its own", async () => {
    await session.open(A, NET);
    await session.open(B, NET.replace("768, 768", "512, 512"));
    const [a, b] = await Promise.all([session.titles(A), session.titles(B)]);
    assert.ok(a.includes("LoRA r=8 · 12,288 trainable · 48.1× fewer · scale 2"));
    assert.ok(b.includes("LoRA r=8 · 8,192 trainable · 32.1× fewer · scale 2"));
  });

  it("publishes problems, and takes them back when the document is closed", async () => {
    await session.open(A, NET);
    const shown = await session.diagnosed(({ uri }) => uri === A);
    assert.deepEqual(
      shown.diagnostics.map(({ message }) => message),
      ["reading 1 of /a.py"],
    );
    session.diagnostics.length = 0;
    await session.client.sendNotification("textDocument/didClose", { textDocument: { uri: A } });
    // The shapes of the text may still have been on their way.
    await session.diagnosed(({ uri, diagnostics }) => uri === A && diagnostics.length === 0);
    assert.deepEqual(session.diagnostics.at(-1)!.diagnostics, []);
  });

  it("shows a crash of the reader as a problem, and reads the next text", async () => {
    await session.open(A, `${NET}# crash`);
    const shown = await session.diagnosed(({ uri }) => uri === A);
    assert.match(shown.diagnostics[0]!.message, /crashed: out of wits/);
    assert.deepEqual(await session.titles(A), []);
    await session.change(A, 2, NET);
    assert.equal((await session.titles(A)).length, 7);
    assert.equal(session.counts.threads, 2);
  });

  it("says that a file of 5 MB is too long, and does not read it", async () => {
    await session.open(A, NET + "# filler\n".repeat(600_000));
    const shown = await session.diagnosed(({ uri }) => uri === A);
    assert.match(shown.diagnostics[0]!.message, /5\.1 MB of text.*2\.0 MB\. Move the model's classes/);
    assert.deepEqual(await session.titles(A), []);
    assert.equal(session.counts.threads, 0);
  });

  it("hovers", async () => {
    await session.open(A, NET);
    const hover: Hover = await session.client.sendRequest("textDocument/hover", {
      textDocument: { uri: A },
      position: { line: 1, character: 5 },
    });
    assert.match(JSON.stringify(hover.contents), /12,288/);
  });

  it("hovers with the norms of the adapter that was chosen for the model", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-hover-"));
    try {
      await cp(join(ADAPTERS, "mlp-true"), folder, { recursive: true });
      const file = join(folder, "adapter_config.json");
      const config = JSON.parse(await readFile(file, "utf8"));
      await writeFile(file, JSON.stringify({ ...config, auto_mapping: { base_model_class: "Net" } }));
      const place = { folder, weights: join(ADAPTERS, "Mlp.safetensors") };
      await session.client.sendNotification(SettingsNotification.method, { adapters: { "/a.py#Net": place } });
      await session.open(A, "import torch.nn as nn\nnn.Linear(12, 12)\nnn.Linear(12, 20)\n");
      const hoverAt = (line: number): Promise<Hover> =>
        session.client.sendRequest("textDocument/hover", {
          textDocument: { uri: A },
          position: { line, character: 5 },
        });
      const text = JSON.stringify((await hoverAt(2)).contents);
      assert.match(text, /‖ΔW‖ [\d.]+ · ‖ΔW‖\/‖W₀‖ [\d.]+ %/);
      assert.doesNotMatch(JSON.stringify((await hoverAt(1)).contents), /ΔW/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("follows the settings, and ignores nonsense in them", async () => {
    await session.open(A, NET);
    await session.client.sendNotification(SettingsNotification.method, { rank: 4, alpha: 4, codeLens: true });
    assert.ok((await session.titles(A)).includes("LoRA r=4 · 6,144 trainable · 96.1× fewer · scale 1"));
    await session.client.sendNotification(SettingsNotification.method, { rank: -1, alpha: "much" });
    assert.ok((await session.titles(A)).includes("LoRA r=4 · 6,144 trainable · 96.1× fewer · scale 1"));
    await session.client.sendNotification(SettingsNotification.method, { codeLens: false });
    assert.deepEqual(await session.titles(A), []);
  });

  it("sends shapes after the lenses: hints, and problems beside those of the reading", async () => {
    await session.open(A, NET);
    const shown = await session.diagnosed(({ diagnostics }) => diagnostics.length > 1);
    assert.deepEqual(
      shown.diagnostics.map(({ message, code }) => [message, code]),
      [
        ["reading 1 of /a.py", undefined],
        ["shapes of /a.py", "shape-mismatch"],
      ],
    );
    const range = { start: { line: 0, character: 0 }, end: { line: 9, character: 0 } };
    const hints = () => session.client.sendRequest("textDocument/inlayHint", { textDocument: { uri: A }, range });
    assert.equal(((await hints()) as InlayHint[])[0]!.label, ": [B, 512]");
    await session.client.sendNotification(SettingsNotification.method, { inlayHints: false });
    assert.deepEqual(await hints(), []);
  });

  it("settles a cancelled request", async () => {
    await session.open(A, `${NET}# until cancelled`);
    const source = new CancellationTokenSource();
    const asked = session.lenses(A, source.token);
    source.cancel();
    await assert.rejects(asked, (error: ResponseError) => error.code === LSPErrorCodes.RequestCancelled);
    await session.change(A, 2, NET);
  });

  it("answers bad requests with a message", async () => {
    const bad: [RequestName<never, unknown>, unknown, RegExp][] = [
      [SummaryRequest, { uri: "file:///no/such.py" }, /cannot read \/no\/such\.py/],
      [SummaryRequest, {}, /./],
      [TargetsRequest, { uri: 3 }, /./],
      [InjectRequest, {}, /./],
      [RunJobRequest, {}, /./],
      [HtmlRequest, {}, /./],
    ] as never;
    for (const [name, params, message] of bad) await assert.rejects(session.send(name, params as never), message);
    await assert.rejects(session.client.sendRequest("loraLens/none", {}), /Unhandled method/);
    assert.deepEqual(await session.titles(A), []);
  });

  it("lists targets with their costs", async () => {
    await session.open(A, NET);
    const { layers } = await session.send(TargetsRequest, { uri: A, class: "Net", adapter: { r: 16 } });
    assert.deepEqual(
      layers.map(({ path, lora, selected }) => [path, lora, selected]),
      [
        ["fc0", 24_576, true],
        ["fc1", 12_448, false],
      ],
    );
    await assert.rejects(session.send(TargetsRequest, { uri: A, class: "Other", adapter: {} }), /no model Other/);
  });

  it("says by the model's file which files may hold its weights", async () => {
    const { endings } = await session.send(WeightFilesRequest, { file: "/models/net.py" });
    assert.equal(endings[0], ".safetensors");
    assert.equal((await session.send(WeightFilesRequest, { file: "/models/net.keras" })).endings[0], ".weights.h5");
  });

  it("lists the data formats and the columns of a file without starting a process", async () => {
    const { formats } = await session.send(DataFormatsRequest, {});
    assert.deepEqual(formats[0], { label: "CSV", what: "a CSV file with a header line", extensions: ["csv"] });
    const digits = join(__dirname, "../../../examples/digits/digits.csv");
    const { columns } = await session.send(DataColumnsRequest, { file: digits });
    assert.ok(columns.length === 65 && columns.includes("label"), columns.join(", "));
    await assert.rejects(session.send(DataColumnsRequest, { file: `${digits}.none` }), /cannot read the header of/);
    assert.deepEqual(session.counts, { threads: 0, processes: 0 });
  });

  it("injects into the text that is open, not the file's", async () => {
    await session.open(A, NET);
    const summary = await session.send(InjectRequest, { model: { file: "/a.py", class: "Net" }, adapter: {} });
    assert.deepEqual(summary, { model: "Net", text: NET });
  });

  it("runs jobs with progress, on the text that is open", async () => {
    await session.open(A, NET);
    const progress: unknown[] = [];
    session.client.onNotification(JobProgressNotification.method, (params) => void progress.push(params));
    const job = { kind: "analyze", model: { file: "/a.py", class: "answer" }, adapter: {} } as const;
    const report = await session.send(RunJobRequest, { id: "7", job });
    assert.deepEqual(report, { kind: "analyze", text: NET });
    assert.deepEqual(progress, [{ id: "7", progress: { message: "half", fraction: 0.5 } }]);
  });

  it("answers a failing job with the error as data", async () => {
    const job = { kind: "analyze", model: { file: "/a.py", class: "fail" }, adapter: {} } as const;
    await assert.rejects(session.send(RunJobRequest, { id: "1", job }), (error: ResponseError) => {
      assert.equal(error.message, "no such column");
      assert.deepEqual(error.data, { message: "no such column", file: "data.csv", line: 1, defect: false });
      return true;
    });
  });

  it("answers lenses while a job runs, and ends the job on cancel", async () => {
    await session.open(A, NET);
    const source = new CancellationTokenSource();
    const running = new Promise<void>((resolve) => {
      session.client.onNotification(JobProgressNotification.method, () => resolve());
    });
    const job = { kind: "analyze", model: { file: "/a.py", class: "polite" }, adapter: {} } as const;
    const result = session.send(RunJobRequest, { id: "1", job }, source.token);
    await running;
    assert.equal((await session.titles(A)).length, 7);
    source.cancel();
    await assert.rejects(result, (error: ResponseError) => error.code === LSPErrorCodes.RequestCancelled);
    assert.deepEqual(await session.send(StopJobRequest, { id: "1" }), { found: false });
  });

  it("answers about engines and renders a report as a page", async () => {
    assert.deepEqual(await session.send(EnginesRequest, {}), { engines: [] });
    const report = { kind: "merge", model: "Net" } as never;
    assert.match((await session.send(HtmlRequest, { report })).html, /"kind":"merge"/);
    const sizes = { kind: "sizes", rows: [] } as never;
    assert.match((await session.send(SizesCsvRequest, { report: sizes })).csv, /^name,layers,inFeatures/);
  });
});
