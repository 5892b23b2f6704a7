import {
  Disposable,
  type InputBox,
  type InputBoxValidationMessage,
  InputBoxValidationSeverity,
  type QuickInputButton,
  QuickInputButtons,
  type QuickPick,
  type QuickPickItem,
  window,
} from "vscode";
import { messageOf } from "../errors";

/** A dialog of several quick inputs with step numbers and a back button. */

/** How one input ended. */
export type Outcome = "accepted" | "back" | "dismissed";

export interface Frame {
  readonly title: string;
  readonly step: number;
  readonly totalSteps: number;
}

/** Asks one thing. The answer goes to the input's `accept`. */
export type Step = (frame: Frame) => Promise<Outcome>;

/** Runs the steps, forth and back. False when the person dismissed the dialog. */
export async function runSteps(title: string, steps: readonly Step[]): Promise<boolean> {
  let index = 0;
  while (index < steps.length) {
    const outcome = await steps[index]!({ title, step: index + 1, totalSteps: steps.length });
    if (outcome === "dismissed") return false;
    index += outcome === "back" ? -1 : 1;
  }
  return true;
}

export interface PickOptions<T extends QuickPickItem> {
  readonly placeholder: string;
  readonly items: readonly T[];
  /** Highlighted at first. */
  readonly active?: T | undefined;
  readonly accept: (item: T) => void;
}

export function pickOne<T extends QuickPickItem>(frame: Frame, options: PickOptions<T>): Promise<Outcome> {
  const pick = Object.assign(window.createQuickPick<T>(), frame);
  pick.placeholder = options.placeholder;
  pick.matchOnDescription = true;
  pick.items = options.items;
  if (options.active) pick.activeItems = [options.active];
  return show(pick, frame, (accepted) =>
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      if (!item) return;
      options.accept(item);
      accepted();
    }),
  );
}

export interface InputOptions {
  readonly prompt: string;
  readonly value: string;
  /** What the text means, shown while it is typed, or what is wrong with it. */
  readonly check: (text: string) => Checked | Promise<Checked>;
  readonly accept: (text: string) => void;
}
export type Checked = { readonly says?: string } | { readonly error: string };

export function inputText(frame: Frame, options: InputOptions): Promise<Outcome> {
  const box = Object.assign(window.createInputBox(), frame);
  box.prompt = options.prompt;
  box.value = options.value;
  let version = 0;
  /** Whether the text is good and still the one that was checked. */
  const check = async (): Promise<boolean> => {
    const mine = ++version;
    const checked = await checkText(options, box.value.trim());
    if (mine !== version) return false;
    box.validationMessage = validation(options.prompt, checked);
    return !("error" in checked);
  };
  void check();
  return show(box, frame, (accepted) =>
    Disposable.from(
      box.onDidChangeValue(() => void check()),
      box.onDidAccept(async () => {
        if (!(await check())) return;
        options.accept(box.value.trim());
        accepted();
      }),
    ),
  );
}

async function checkText({ check }: InputOptions, text: string): Promise<Checked> {
  try {
    return await check(text);
  } catch (error) {
    return { error: messageOf(error) };
  }
}

/** The message takes the prompt's place on screen, so it repeats it. */
function validation(prompt: string, checked: Checked): InputBoxValidationMessage | undefined {
  if ("error" in checked) return { message: checked.error, severity: InputBoxValidationSeverity.Error };
  return checked.says
    ? { message: `${prompt}: ${checked.says}`, severity: InputBoxValidationSeverity.Info }
    : undefined;
}

/** Shows a quick input until it is accepted, left by the back button or dismissed. */
export function show(
  input: QuickPick<QuickPickItem> | InputBox,
  frame: Frame,
  listen: (accepted: () => void) => Disposable,
  buttons: readonly QuickInputButton[] = [],
): Promise<Outcome> {
  return new Promise((resolve) => {
    const end = (outcome: Outcome) => {
      // The first outcome counts: hiding fires "dismissed" after each of the others.
      resolve(outcome);
      input.hide();
    };
    input.ignoreFocusOut = true;
    input.buttons = [...(frame.step > 1 ? [QuickInputButtons.Back] : []), ...buttons];
    const listeners = Disposable.from(
      listen(() => end("accepted")),
      input.onDidTriggerButton((button) => {
        if (button === QuickInputButtons.Back) end("back");
      }),
      input.onDidHide(() => {
        resolve("dismissed");
        listeners.dispose();
        input.dispose();
      }),
    );
    input.show();
  });
}
