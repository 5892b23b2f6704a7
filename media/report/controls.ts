/** The pages' controls. The one file that knows which component library draws them. */
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
  vsCodeTextField,
} from "@vscode/webview-ui-toolkit";
import type { Child } from "./dom";

provideVSCodeDesignSystem().register(
  vsCodeButton(),
  vsCodeCheckbox(),
  vsCodeDropdown(),
  vsCodeOption(),
  vsCodeProgressRing(),
  vsCodeTextField(),
);

function control(
  tag: string,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly Child[]
): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return made;
}

export function button(
  label: string,
  pressed: () => void,
  appearance: "primary" | "secondary" = "primary",
): HTMLElement {
  const made = control("vscode-button", { appearance }, label);
  made.addEventListener("click", pressed);
  return made;
}

/** Makes a button unavailable and says why in its label. */
export function disable(made: HTMLElement, label: string): void {
  made.setAttribute("disabled", "");
  made.textContent = label;
}

export function progressRing(label: string): HTMLElement {
  return control("vscode-progress-ring", { "aria-label": label, role: "progressbar" });
}

export function checkbox(label: string, checked: boolean, changed: (checked: boolean) => void): HTMLElement {
  const made = control("vscode-checkbox", {}, label) as HTMLElement & { checked: boolean };
  made.checked = checked;
  made.addEventListener("change", () => changed(made.checked));
  return made;
}

export function dropdown(
  label: string,
  options: readonly { readonly value: string; readonly text: string }[],
  chosen: string,
  changed: (value: string) => void,
): HTMLElement {
  const made = control(
    "vscode-dropdown",
    { "aria-label": label },
    ...options.map(({ value, text }) =>
      control("vscode-option", value === chosen ? { value, selected: "" } : { value }, text),
    ),
  ) as HTMLElement & { value: string };
  made.addEventListener("change", () => changed(made.value));
  return made;
}

/** Gives a dropdown other options. It keeps its choice where that is still one, and says what is chosen. */
export function setOptions(
  made: HTMLElement,
  options: readonly { readonly value: string; readonly text: string }[],
  chosen: string,
): void {
  made.replaceChildren(
    ...options.map(({ value, text }) =>
      control("vscode-option", value === chosen ? { value, selected: "" } : { value }, text),
    ),
  );
}

/** A control with its name in sight before it. The control has the name itself, for screen readers. */
export function named(name: string, made: HTMLElement): HTMLElement {
  const field = document.createElement("div");
  field.className = "field";
  const label = document.createElement("span");
  label.setAttribute("aria-hidden", "true");
  label.textContent = name;
  field.append(label, made);
  return field;
}

export function textField(label: string, value: string, changed: (value: string) => void): HTMLElement {
  const made = control("vscode-text-field", { placeholder: label, "aria-label": label, value }) as HTMLElement & {
    value: string;
  };
  made.addEventListener("input", () => changed(made.value));
  // The toolkit calls it "Text field" whenever it is put on a page.
  new MutationObserver(() => {
    if (made.getAttribute("aria-label") !== label) made.setAttribute("aria-label", label);
  }).observe(made, { attributeFilter: ["aria-label"] });
  return made;
}
