import type { CliCommand } from "../command";
import { analyze } from "./analyze";
import { engines } from "./engines";
import { exportModel } from "./export";
import { graph } from "./graph";
import { layers } from "./layers";
import { merge } from "./merge";
import { run } from "./run";
import { sweep } from "./sweep";
import { train } from "./train";
import { verify } from "./verify";

/** The commands, in the order in which help lists them. */
export const COMMANDS: readonly CliCommand[] = [
  layers,
  graph,
  analyze,
  verify,
  train,
  sweep,
  merge,
  exportModel,
  run,
  engines,
];
