import type { CliCommand } from "../command";
import type { CommandName, Outputs } from "../outputs";
import { analyze } from "./analyze";
import { delta } from "./delta";
import { engines } from "./engines";
import { exportModel } from "./export";
import { graph } from "./graph";
import { layers } from "./layers";
import { merge } from "./merge";
import { run } from "./run";

import { sizes } from "./sizes";
import { summarize } from "./summarize";
import { sweep } from "./sweep";
import { train } from "./train";
import { verify } from "./verify";

/** The commands by their names, in the order in which help lists them. What each prints with --json is in outputs.ts. */
export const COMMANDS: { readonly [N in CommandName]: CliCommand<Outputs[N]> } = {
  layers,
  graph,
  analyze,
  summarize,
  sizes,
  verify,
  train,
  sweep,
  merge,
  delta,
  export: exportModel,
  run,
  engines,
};
