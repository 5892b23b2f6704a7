import { WrittenModule } from "../../imports/writtenModules";
import { native } from "../../values/native";
import { PyError, PyNamespace, type Value } from "../../values/values";
import { named, namespace } from "./namespace";

/** importlib.import_module: the module as an import statement gives it. */
const importModule = native("import_module", "name, package=None", ({ name, package: base }, ev) => {
  if (typeof name !== "string") throw new PyError("TypeError", "the name of a module must be a string");
  const dots = /^\.*/.exec(name)![0].length;
  if (dots > 0 && typeof base !== "string")
    throw new PyError("TypeError", `the 'package' argument is required to perform a relative import for '${name}'`);
  const parts = dots > 0 ? (base as string).split(".") : [];
  const above = parts.slice(0, parts.length - Math.max(0, dots - 1));
  const full = [...above, ...(name.length > dots ? [name.slice(dots)] : [])].join(".");
  const found = ev.resolveImport(full);
  if (found instanceof PyNamespace) return found as Value;
  throw new PyError("ModuleNotFoundError", `No module named '${full}'`);
});

/** importlib.reload. Files stay as they are while one is read; what a notebook's cells write does not. */
const reload = native("reload", "module", ({ module }) => {
  if (module instanceof WrittenModule) module.renew();
  return module!;
});

export const IMPORTLIB = namespace("importlib", named([importModule, reload]));
