import { strict as assert } from "node:assert";
import { fork } from "node:child_process";
import { join } from "node:path";
import { CancellationTokenSource } from "vscode-languageserver";
import type { JobRequest } from "../../../../src/protocol/jobRegistry";
import type { JobProgress, TrainRequest } from "../../../../src/protocol/jobs";
import { UserError } from "../../../../src/worker/formats/errors";
import { Compute } from "../../../../src/worker/server/compute/compute";
import { Cancelled, JobFailure } from "../../../../src/worker/server/failure";

const ENTRY = join(__dirname, "../processes", "compute.cjs");

/** A job that the stand-in process treats as the behavior says. */
function job(behavior: string, file = "/net.py"): JobRequest {
  return { kind: "analyze", model: { file, class: behavior }, adapter: {} };
}

function training(file: string): TrainRequest {
  return {
    kind: "train",
    model: { file, class: "run" },
    adapter: {},
    method: "lora",
    data: "data.csv",
    label: "label",
    output: "/out",
    epochs: 1,
    batchSize: 1,
    validation: 0,
    engine: "auto",
  };
}

describe("compute processes", () => {
  let compute: Compute;
  let logged: string[];
  let pids: number[];
  beforeEach(() => {
    logged = [];
    pids = [];
    compute = new Compute({
      fork: () => {
        const child = fork(ENTRY, [], { stdio: ["ignore", "pipe", "pipe", "ipc"], execArgv: [] });
        pids.push(child.pid!);
        return child;
      },
      log: (line) => logged.push(line),
      graceMs: 50,
    });
  });
  afterEach(() => compute.dispose());

  const ignore = () => undefined;

  /** Starts a job and waits until its process says that it runs. */
  async function started(id: string, request: JobRequest, token?: CancellationTokenSource["token"]) {
    const progress: JobProgress[] = [];
    let result!: Promise<unknown>;
    await new Promise<void>((resolve) => {
      result = compute.run(
        id,
        request,
        (state) => {
          progress.push(state);
          resolve();
        },
        token,
      );
    });
    return { result, progress };
  }

  it("report progress and the result", async () => {
    const progress: JobProgress[] = [];
    const report = await compute.run("1", job("answer"), (state) => progress.push(state));
    assert.equal(report.kind, "analyze");
    assert.deepEqual(progress, [{ message: "half", fraction: 0.5 }]);
  });

  it("pass on a job's own error", async () => {
    await assert.rejects(compute.run("1", job("fail"), ignore), (error: JobFailure) => {
      assert.deepEqual(error.error, { message: "no such column", file: "data.csv", line: 1, defect: false });
      return true;
    });
  });

  it("report the exit code and the last output of a process that ended", async () => {
    await assert.rejects(compute.run("1", job("exit"), ignore), (error: JobFailure) => {
      assert.match(error.message, /exit code 7 .*out of luck.*loraLens\.engine/);
      assert.equal(error.error.defect, true);
      return true;
    });
    assert.match(logged.join("\n"), /first line/);
  });

  it("report SIGKILL as a lack of memory and name other signals", async () => {
    await assert.rejects(compute.run("1", job("killed"), ignore), /SIGKILL.*memory.*batch size/);
    await assert.rejects(compute.run("2", job("abort"), ignore), /SIGABRT/);
  });

  it("fail when a process cannot be started", async () => {
    const none = new Compute({ fork: () => fork(ENTRY, [], { execPath: "/no/such/node" }), log: ignore });
    await assert.rejects(none.run("1", job("answer"), ignore), /the compute process: .*ENOENT/);
  });

  it("stop a job early, which then has a result", async () => {
    const { result } = await started("1", training("/net.py"));
    assert.equal(compute.stop("1"), true);
    assert.deepEqual(await result, { kind: "train", stopped: true });
    assert.equal(compute.stop("1"), false);
  });

  it("cancel by message", async () => {
    const source = new CancellationTokenSource();
    const { result, progress } = await started("1", job("polite"), source.token);
    source.cancel();
    await assert.rejects(result, Cancelled);
    assert.equal(progress.length, 1);
  });

  it("cancel by signal when the message does not help", async () => {
    const source = new CancellationTokenSource();
    const { result } = await started("1", job("deaf"), source.token);
    source.cancel();
    await assert.rejects(result, Cancelled);
  });

  it("kill a process that ignores SIGTERM", async () => {
    const source = new CancellationTokenSource();
    const { result } = await started("1", job("stubborn"), source.token);
    source.cancel();
    await assert.rejects(result, Cancelled);
    assert.throws(() => process.kill(pids[0]!, 0), /ESRCH/);
  });

  it("cancel a job whose token was cancelled before", async () => {
    const source = new CancellationTokenSource();
    source.cancel();
    await assert.rejects(compute.run("1", job("polite"), ignore, source.token), Cancelled);
  });

  it("run side by side, but train a model only once", async () => {
    const first = await started("1", training("/net.py"));
    await assert.rejects(compute.run("2", training("/net.py"), ignore), (error: UserError) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /\/net\.py is already being trained/);
      return true;
    });
    const other = await started("3", training("/other.py"));
    compute.stop("1");
    compute.stop("3");
    await Promise.all([first.result, other.result]);
    const again = await started("4", training("/net.py"));
    compute.stop("4");
    await again.result;
  });

  it("settle when everything is ended", async () => {
    const { result } = await started("1", job("deaf"));
    compute.dispose();
    await assert.rejects(result, JobFailure);
  });

  it("answer about engines", async () => {
    assert.deepEqual(await compute.engines(), []);
  });
});
