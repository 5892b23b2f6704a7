import type { EngineSummary } from "../../../protocol/reports";
import { listEngines } from "../../engines/choose";
import type { CliCommand } from "../command";
import { EXIT } from "../failure";
import { type CliIO, type Json, print } from "../io";

export const engines: CliCommand = {
  usage: "engines",
  description: "list the engines that can run here, and why the others cannot",
  configure: (command) => command,
  async run(io: CliIO, options: Json) {
    const engines = await listEngines();
    print(io, options, { engines }, () => enginesText(engines));
    return EXIT.fine;
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
