import { commands, Disposable } from "vscode";
import { COMMANDS } from "../protocol/commands";
import { chooseConfiguration } from "./configuration";
import type { CommandContext } from "./context";
import { showError } from "./errors";
import { inject } from "./inject/inject";
import { merge } from "./jobs/merge";
import { analyze, summarize, verify } from "./jobs/report";

import { run } from "./jobs/run";
import { sizes } from "./jobs/sizes";

import { sweep } from "./jobs/sweep";

import { stopTraining, train } from "./jobs/train";
import { showLine } from "./showLine";

/** What each command does. `argument` is a lens's LensTarget, a file of the explorer, or nothing. */
const HANDLERS: Readonly<
  Record<keyof typeof COMMANDS, (context: CommandContext, argument: unknown) => Promise<void> | void>
> = {
  inject,
  verify,
  analyze,
  summarize,
  sizes,
  train,
  sweep,
  stopTraining,
  merge,
  run,
  chooseConfiguration,
  showLine,
  restartWorker: ({ client }) => client.restart(),
  showLog: ({ log }) => log.show(),
};

/**
 * Registers every command. A handler that needs the worker starts it; when that fails, and for any other error, the
 * person is told what, where and what to do.
 */
export function registerCommands(context: CommandContext): Disposable {
  const registered = Object.entries(COMMANDS).map(([name, id]) =>
    commands.registerCommand(id, async (argument: unknown) => {
      try {
        await HANDLERS[name as keyof typeof COMMANDS](context, argument);
      } catch (error) {
        await showError(error);
      }
    }),
  );
  return Disposable.from(...registered);
}
