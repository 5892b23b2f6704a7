import type { ComputeCommand, ComputeEvent } from "../protocol/compute";
import type { JobRequest } from "../protocol/jobRegistry";
import { listEngines } from "./engines/choose";
import { runJob } from "./jobs/run";
import { ThrottledProgress } from "./server/compute/progress";
import { toJobError } from "./server/failure";

/**
 * Entry of the compute process: one job, then it ends. A crash of native code ends this process and nothing else.
 * Commands and events are the messages of ComputeCommand and ComputeEvent.
 */

const cancel = new AbortController();
const stop = new AbortController();

process.on("message", (command: ComputeCommand) => {
  switch (command.type) {
    case "start":
      void finish(run(command.job));
      break;
    case "engines":
      void finish(engines());
      break;
    case "stop":
      stop.abort();
      break;
    case "cancel":
      cancel.abort();
      break;
  }
});
// The worker is gone: nobody waits for the result.
process.on("disconnect", () => process.exit(1));

async function run(job: JobRequest): Promise<ComputeEvent> {
  const progress = new ThrottledProgress((state) => send({ type: "progress", progress: state }));
  const report = await runJob(job, {
    onProgress: (state) => progress.add(state),
    signal: cancel.signal,
    stop: stop.signal,
  });
  progress.flush();
  return { type: "result", report };
}

async function engines(): Promise<ComputeEvent> {
  return { type: "engines", engines: await listEngines() };
}

async function finish(work: Promise<ComputeEvent>): Promise<void> {
  let last: ComputeEvent;
  try {
    last = await work;
  } catch (error) {
    const failure = toJobError(error);
    if (failure.defect && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    last = { type: "error", error: failure };
  }
  // Native threads may keep the process alive, so it ends itself once the message is out.
  send(last, () => process.exit(0));
}

function send(event: ComputeEvent, sent: () => void = () => undefined): void {
  process.send?.(event, undefined, undefined, sent);
}
