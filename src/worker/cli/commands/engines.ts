import type { EngineSummary } from "../../../protocol/reports";
import { listEngines } from "../../engines/choose";
import type { CliCommand } from "../command";
import type { EnginesOutput } from "../outputs";

export const engines: CliCommand<EnginesOutput> = {
  description: "what can run here, and why the rest cannot",
  configure: (command) => command,
  async run() {
    const engines = await listEngines();
    return { value: { engines }, text: () => enginesText(engines) };
  },
};

function enginesText(engines: readonly EngineSummary[]): string {
  return engines
    .map((e) =>
      e.available
        ? `${e.id}: ${e.label} on ${e.device}${e.software ? " (software device: right but slow)" : ""}${e.chosen ? " · auto" : ""}`
        : `${e.id}: not available: ${e.reason}`,
    )
    .join("\n");
}
