import { Disposable, LanguageStatusSeverity, languages } from "vscode";
import { COMMANDS } from "../../protocol/commands";
import type { WorkerClient, WorkerState } from "../client";
import type { Jobs } from "../jobs/jobs";
import { readSettings } from "../settings";
import { type EngineLabels, engineLabel } from "./engineLabels";

/** The entry in Python files' language status: what the worker does and which engine jobs run on. */
export function createStatus(client: WorkerClient, jobs: Jobs, engines: EngineLabels): Disposable {
  const item = languages.createLanguageStatusItem("loraLens.status", { language: "python" });
  item.name = "LoRA Lens";
  let worker: WorkerState = { state: "stopped" };

  const show = () => {
    const running = jobs.running();
    item.busy = worker.state === "starting" || running.length > 0;
    item.severity = LanguageStatusSeverity.Information;
    item.command = { title: "Show Log", command: COMMANDS.showLog };
    item.detail = jobs.lastEngine() ?? engineLabel(readSettings().engine, engines);
    switch (worker.state) {
      case "stopped":
        item.text = "LoRA Lens: no model open";
        break;
      case "starting":
        item.text = "LoRA Lens: starting";
        break;
      case "crashed":
        item.text = "LoRA Lens: worker crashed";
        item.detail = worker.message;
        item.severity = LanguageStatusSeverity.Error;
        item.command = { title: "Restart", command: COMMANDS.restartWorker };
        break;
      case "running":
        showRunning(worker.reading, running);
        break;
    }
  };

  const showRunning = (reading: (WorkerState & { state: "running" })["reading"], running: readonly string[]) => {
    if (running.length > 0) {
      item.text = `LoRA Lens: ${running.join(", ")}`;
      if (jobs.trainings().length > 0) item.command = { title: "Stop", command: COMMANDS.stopTraining };
      return;
    }
    switch (reading.state) {
      case "idle":
        item.text = "LoRA Lens: ready";
        break;
      case "reading":
        item.text = "LoRA Lens: reading";
        item.busy = true;
        break;
      case "slow":
        item.text = "LoRA Lens: slow";
        item.detail = reading.message;
        item.busy = true;
        item.severity = LanguageStatusSeverity.Warning;
        break;
      case "failed":
        item.text = "LoRA Lens: reading failed";
        item.detail = reading.message;
        item.severity = LanguageStatusSeverity.Warning;
        break;
    }
  };

  show();
  return Disposable.from(
    item,
    client.onState((state) => {
      worker = state;
      show();
    }),
    jobs.onChange(show),
  );
}
