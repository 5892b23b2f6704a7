import { JOBS } from "../../protocol/jobRegistry";
import type { SizesRequest } from "../../protocol/sizes";
import { type CommandContext, requireTrust } from "../context";
import { runInPanel } from "./report";

/** Compares the common layer sizes. Needs no model. */
export async function sizes(context: CommandContext): Promise<void> {
  requireTrust(JOBS.sizes.needsTrust);
  await runInPanel<SizesRequest>(context, undefined, { kind: "sizes" });
}
