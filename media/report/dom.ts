/** Elements from code. Text always goes in as text: a layer's name may look like markup. */

export type Child = Node | string | undefined | false;

export interface Attributes {
  readonly class?: string | false;
  readonly id?: string;
  readonly title?: string;
  readonly [attribute: string]: string | number | boolean | undefined;
}

/** A new element. An attribute that is undefined or false is left out; one that is true is set without a value. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return made;
}

/** Something with a value in a strip of the most important numbers. */
export interface Fact {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

export function facts(list: readonly Fact[]): HTMLElement {
  return element(
    "dl",
    { class: "facts" },
    ...list.map(({ label, value, note }) =>
      element(
        "div",
        { class: "fact" },
        element("dt", {}, label),
        element("dd", {}, element("span", { class: "value" }, value), note !== undefined && element("small", {}, note)),
      ),
    ),
  );
}

export function section(title: string, ...children: readonly Child[]): HTMLElement {
  return element("section", {}, element("h2", {}, title), ...children);
}

/** A verdict in an icon and in words, so that color is never the only sign of it. */
export function verdict(passed: boolean, words: string): HTMLElement {
  return element("p", { class: `verdict ${passed ? "passed" : "failed"}`, role: "status" }, mark(passed), words);
}

export function mark(passed: boolean): HTMLElement {
  return element("span", { class: `mark ${passed ? "passed" : "failed"}`, "aria-hidden": "true" }, passed ? "✓" : "✗");
}

export interface Cell {
  readonly text: string;
  /** Under the text, smaller. */
  readonly note?: string;
  readonly numeric?: boolean;
}

/** A plain table; the first cell of each row names the row. */
export function table(caption: string, head: readonly Cell[], rows: readonly (readonly Cell[])[]): HTMLElement {
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "hidden" }, caption),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ...head.map(({ text, numeric }) => element("th", { scope: "col", class: numeric && "numeric" }, text)),
        ),
      ),
      element(
        "tbody",
        {},
        ...rows.map((row) =>
          element(
            "tr",
            {},
            ...row.map((cell, index) => (index === 0 ? element("th", { scope: "row" }, cell.text) : dataCell(cell))),
          ),
        ),
      ),
    ),
  );
}

export function dataCell({ text, note, numeric }: Cell, extra?: string): HTMLElement {
  const classes = [numeric ? "numeric" : "", extra ?? ""].join(" ").trim();
  return element("td", { class: classes || undefined }, text, note !== undefined && element("small", {}, note));
}
