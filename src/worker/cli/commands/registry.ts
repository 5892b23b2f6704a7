import type { CliCommand } from "../command";
import type { CommandName, Outputs } from "../outputs";
import { analyze } from "./analyze";
import { engines } from "./engines";
import { exportModel } from "./export";
import { graph } from "./graph";
import { layers } from "./layers";
import { merge } from "./merge";
import { run } from "./run";
import { summarize } from "./summarize";
import { train } from "./train";
import { verify } from "./verify";

/** The commands by their names, in the order in which help lists them. What each prints with --json is in outputs.ts. */
export const COMMANDS: { readonly [N in CommandName]: CliCommand<Outputs[N]> } = {
  layers,
  graph,
  analyze,
  summarize,
  verify,
  train,
  merge,
  export: exportModel,
  run,
  engines,
};
