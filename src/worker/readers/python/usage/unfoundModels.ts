import { rootName, walkStatements } from "../syntax/walk";
import type { Evaluator } from "../values/evaluator";
import { Unfound } from "../values/unknown";
import type { CallSites } from "./callSites";
import { type Region, targetsOf } from "./regions";

/** What only a module has, of all that a file names. */
const METHODS =
  /^((named_)?(parameters|modules|children|buffers)|(load_)?state_dict|requires_grad_|zero_grad|train|eval|cuda|half|bfloat16)$/;

/**
 * Reports models whose class was not found: `net = Net(12)` where no file gives Net. They are recognized by their use
 * in the file.
 */
export function reportUnfound(ev: Evaluator, sites: CallSites): void {
  const { regions } = sites;
  const used = new Set<string>();
  for (const { calls } of regions) {
    for (const { callee } of calls)
      if (callee.kind === "Attribute" && callee.object.kind === "Name" && METHODS.test(callee.name))
        used.add(callee.object.id);
  }
  for (const region of regions) {
    for (const statement of region.assignments) {
      const [target] = targetsOf(statement);
      const { value } = statement;
      if (target?.kind !== "Name" || value?.kind !== "Call" || !used.has(target.id)) continue;
      const root = rootName(value);
      if (root === undefined || !(sites.globals.lookup(root) instanceof Unfound || isImported(root, region))) continue;
      const made = sites.valueOf(value, region);
      if (!(made instanceof Unfound)) continue;
      const why = made.why === "" ? ": no file of this project has that name" : "";
      ev.problem(
        `the layers of ${target.id} are not shown: ${made.reason}${why}`,
        "information",
        ev.main.place(target),
      );
    }
  }
}

/** By a function itself. */
function isImported(name: string, { fn, body }: Region): boolean {
  let found = false;
  if (!fn) return found;
  walkStatements(body, (statement) => {
    if (statement.kind === "Import")
      found ||= statement.names.some((each) => (each.alias ?? each.name.split(".")[0]) === name);
    if (statement.kind === "ImportFrom") found ||= statement.names.some((each) => (each.alias ?? each.name) === name);
  });
  return found;
}
