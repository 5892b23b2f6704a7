import { isAbsolute, join } from "node:path";
import { workspace } from "vscode";
import { ADAPTER_CONFIG_FILE } from "../../protocol/lora";
import { type Checked, type Frame, inputText, type Outcome, pickOne } from "../dialogs/steps";
import { excludeText, parseExclude } from "./answers";

/** What few people change, and where the file goes. */
export interface WriteChoice {
  folder: string;
  exclude: readonly string[] | string | null;
  rslora: boolean;
}

/**
 * The last step: writes, to this folder or another; the rest is folded away behind "More…". `preview` says what will be
 * written, or throws for a choice that cannot be.
 */
export async function writeStep(
  frame: Frame,
  choice: WriteChoice,
  preview: () => Promise<Checked & { readonly says?: string }>,
): Promise<Outcome> {
  for (;;) {
    const seen = await preview();
    const items = [
      ...("error" in seen
        ? []
        : [
            {
              label: `$(check) Write ${ADAPTER_CONFIG_FILE}`,
              description: `to ${workspace.asRelativePath(choice.folder)}`,
              detail: seen.says ?? "",
              next: "write" as const,
            },
          ]),
      { label: "$(folder) Another Folder…", next: "folder" as const },
      { label: "$(settings-gear) More…", description: moreText(choice), next: "more" as const },
    ];
    let next: "write" | "folder" | "more" = "write";
    const outcome = await pickOne(frame, {
      placeholder: "error" in seen ? seen.error : "Write the choice",
      items,
      accept: (item) => {
        next = item.next;
      },
    });
    if (outcome !== "accepted" || next === "write") return outcome;
    const asked = next === "folder" ? await askFolder(frame, choice) : await askMore(frame, choice);
    if (asked === "dismissed") return asked;
  }
}

function moreText({ exclude, rslora }: WriteChoice): string {
  return `excluded: ${excludeText(exclude) || "nothing"} · bias: none · rsLoRA: ${rslora ? "on" : "off"}`;
}

function askFolder(frame: Frame, choice: WriteChoice): Promise<Outcome> {
  return inputText(frame, {
    prompt: "Folder of the adapter",
    value: choice.folder,
    check: (text) =>
      isAbsolute(text) ? { says: `writes ${join(text, ADAPTER_CONFIG_FILE)}` } : { error: "Give an absolute path" },
    accept: (text) => {
      choice.folder = text;
    },
  });
}

/** Until "Done" or the back button. */
async function askMore(frame: Frame, choice: WriteChoice): Promise<Outcome> {
  for (;;) {
    let next = "";
    const outcome = await pickOne(frame, {
      placeholder: "More options",
      items: [
        { label: "Exclude…", description: excludeText(choice.exclude) || "nothing", id: "exclude" },
        {
          label: `rsLoRA: ${choice.rslora ? "on" : "off"}`,
          description: `the scale is ${choice.rslora ? "alpha / √rank" : "alpha / rank"}; choose to switch it ${choice.rslora ? "off" : "on"}`,
          id: "rslora",
        },
        {
          label: "Bias: none",
          description: "training, verifying and merging take no other value here",
          detail: 'PEFT\'s "all" and "lora_only", which train biases of the base, are refused.',
          id: "bias",
        },
        { label: "$(check) Done", id: "done" },
      ],
      accept: ({ id }) => {
        next = id;
      },
    });
    if (outcome !== "accepted" || next === "done") return outcome;
    if (next === "rslora") choice.rslora = !choice.rslora;
    if (next === "exclude" && (await askExclude(frame, choice)) === "dismissed") return "dismissed";
  }
}

function askExclude(frame: Frame, choice: WriteChoice): Promise<Outcome> {
  return inputText(frame, {
    prompt: "Excluded modules",
    value: excludeText(choice.exclude),
    check: (text) => {
      const parsed = parseExclude(text);
      if ("error" in parsed) return parsed;
      return { says: "names or path suffixes with commas between them, or regex:PATTERN; empty for nothing" };
    },
    accept: (text) => {
      const parsed = parseExclude(text);
      if ("value" in parsed) choice.exclude = parsed.value;
    },
  });
}
