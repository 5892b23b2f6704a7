import { basename, dirname } from "node:path";
import { type QuickPickItem, QuickPickItemKind, Uri, window, workspace } from "vscode";
import type { ConfigurationChoice } from "../protocol/jobs";
import { ConfigurationsRequest, type ConfigurationsResult } from "../protocol/messages";
import type { CommandContext } from "./context";
import { Notice } from "./errors";
import { type ChosenModel, chooseModel, lineText } from "./modelFile";

interface Item extends QuickPickItem {
  /** Undefined: the first source that there is. */
  readonly choice?: ConfigurationChoice | undefined;
  readonly browse?: true;
}

/**
 * Asks for the source of the models' configuration, and remembers the answer for the file. Reads only, so it needs no
 * trust; a JSON file outside the workspace is read when the person has picked it here.
 */
export async function chooseConfiguration({ client, memory }: CommandContext, argument: unknown): Promise<void> {
  const model = await chooseModel(client, argument, {
    keep: ({ configuration, lacksConfiguration }) => configuration !== undefined || lacksConfiguration === true,
    none: "no model in this file takes a configuration: the code gives their sizes",
  });
  if (!model) return;
  const params = { uri: model.uri.toString(), class: model.class };
  const found = await client.request(ConfigurationsRequest, params);
  if (!found.takesConfiguration) {
    throw new Notice(`${model.class} takes no configuration: the code gives its sizes`);
  }
  const picked = await pick(model, found, memory.configuration(model.file));
  if (!picked) return;
  if (!picked.browse) return memory.chooseConfiguration(model.file, picked.choice);
  const chosen = await window.showOpenDialog({
    title: `Configuration of ${model.class}`,
    filters: { "JSON or YAML": ["json", "yaml", "yml"] },
    defaultUri: Uri.file(dirname(model.file)),
  });
  if (chosen?.[0]) await memory.chooseConfiguration(model.file, { source: "json", file: chosen[0].fsPath });
}

/** The list, with the one that is used now marked and in front of the cursor. */
async function pick(
  model: ChosenModel,
  { options, used }: ConfigurationsResult,
  chosen: ConfigurationChoice | undefined,
): Promise<Item | undefined> {
  const isChosen = (choice: ConfigurationChoice) => chosen !== undefined && same(choice, chosen);
  const listed = options.map(({ choice, label, place, problem }): Item => {
    const isUsed = chosen === undefined ? label === used : isChosen(choice) && label === used;
    const where = place && !label.includes(" at ") ? [lineText(place)] : [];
    return {
      label,
      description: [...(isUsed ? ["in use"] : []), ...kindOf(choice).filter((kind) => kind !== label), ...where].join(
        " · ",
      ),
      ...(problem === undefined ? {} : { detail: `$(warning) ${problem}` }),
      choice,
    };
  });
  const elsewhere: Item[] =
    chosen?.source === "json" && !options.some(({ choice }) => isChosen(choice))
      ? [
          {
            label: basename(chosen.file),
            description: `in use · ${workspace.asRelativePath(chosen.file)}`,
            choice: chosen,
          },
        ]
      : [];
  const automatic: Item = {
    label: "Automatic",
    description: chosen === undefined ? `in use${used === null ? "" : ` · now ${used}`}` : "",
    detail: "config.json beside the file, else the configuration that the file makes, else the class's defaults",
    choice: undefined,
  };
  const items: Item[] = [
    automatic,
    ...elsewhere,
    ...listed,
    { label: "", kind: QuickPickItemKind.Separator },
    { label: "Browse…", description: "a JSON or YAML file", browse: true, alwaysShow: true },
  ];
  return window.showQuickPick(items, {
    title: `LoRA Lens: Configuration of ${model.class}`,
    placeHolder: `Where the models of ${basename(model.file)} get their sizes from`,
    matchOnDescription: true,
  });
}

function kindOf(choice: ConfigurationChoice): string[] {
  if (choice.source === "json") return [workspace.asRelativePath(choice.file)];
  return choice.source === "instance" ? ["made in this file"] : [];
}

function same(a: ConfigurationChoice, b: ConfigurationChoice): boolean {
  if (a.source === "json") return b.source === "json" && a.file === b.file;
  return a.source === b.source && (a.source !== "instance" || (b.source === "instance" && a.name === b.name));
}
