import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/** The invariants of docs/architecture.md that can be read off the sources. */

const ROOT = join(__dirname, "..");

/** Lower floors may not import higher ones. */
const FLOORS: readonly (readonly string[])[] = [
  ["formats", "numbers", "text"],
  ["graph"],
  ["readers", "lora", "passes"],
  ["engines"],
  ["training"],
  ["jobs"],
  ["language", "cli", "server"],
];

/** Folders that may hold many files: a file for each thing of one kind. */
const ALIKE: ReadonlySet<string> = new Set([
  "src/worker/readers/python/libraries/stdlib",
  "src/worker/readers/python/libraries/torch/functions",
]);

/** `let` at a module's top. */
const VARIABLE = /^(?:export )?let (\w+)/gm;
/** A collection that a module fills: one with weak keys, or one that is empty and no read-only type says that it stays so. */
const COLLECTION =
  /^(?:export )?const (\w+)(?:: (?!Readonly|readonly)[^=]+)? = (?:new Weak(?:Map|Set)\b|new (?:Map|Set)(?:<[^\n]*>)?\(\);|\[\];)/gm;

/** What modules of the readers keep for the whole process, and why no reading can tell. */
const OF_THE_PROCESS: Readonly<Record<string, readonly string[]>> = {
  // The grammars: read once, and the same for every text.
  "src/worker/readers/python/syntax/parse.ts": ["grammar", "ready"],
  "src/worker/readers/javascript/syntax.ts": ["parsers"],
  // A count that values are compared by; nothing else is made of it.
  "src/worker/readers/python/values/identity.ts": ["births"],
  // Tables of what the libraries define, which are filled as their modules are loaded.
  "src/worker/readers/python/evaluate/exceptions.ts": ["EXCEPTIONS"],
  "src/worker/readers/python/libraries/numpy/dtypes.ts": ["TYPES", "CLASSES"],
  "src/worker/readers/python/libraries/torch/layers/families.ts": ["layerBases"],
  "src/worker/readers/python/libraries/torch/layers/layer.ts": ["layerClasses"],
  "src/worker/readers/python/libraries/torch/random/init.ts": ["initFunctions"],
  "src/worker/readers/python/libraries/torch/registry/table.ts": [
    "torchFunctions",
    "functionalFunctions",
    "tensorMethods",
  ],
};

interface Import {
  readonly specifier: string;
  /** The file of ours it leads to. */
  readonly target: string | undefined;
}

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return /\.m?ts$/.test(name) ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const statements = text.matchAll(/(?:^|\n)\s*(?:import|export)\s+(?:[^;"']*?from\s+)?["']([^"']+)["']/g);
  const dynamic = text.matchAll(/import\(\s*["']([^"']+)["']\s*\)/g);
  return [...statements, ...dynamic].map(([, specifier]) => ({
    specifier: specifier!,
    target: resolved(file, specifier!),
  }));
}

function resolved(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const path = resolve(dirname(file), specifier);
  return [path, `${path}.ts`, join(path, "index.ts")].find((p) => existsSync(p) && statSync(p).isFile());
}

const shown = (file: string) => relative(ROOT, file).split(sep).join("/");
const inRoom = (file: string, room: string) => shown(file).startsWith(`${room}/`);
const files = sources(join(ROOT, "src"));
const pages = sources(join(ROOT, "media"));

describe("architecture", () => {
  it("has sources to check, and every relative import resolves to a file", () => {
    assert.ok(files.length > 50);
    for (const file of files) {
      for (const { specifier, target } of importsOf(file)) {
        if (specifier.startsWith(".")) assert.ok(target, `${shown(file)} imports ${specifier}, which is no file`);
      }
    }
  });

  it("keeps vscode out of the worker and the worker out of the extension", () => {
    for (const file of files) {
      for (const { specifier, target } of importsOf(file)) {
        if (!inRoom(file, "src/extension")) assert.notEqual(specifier, "vscode", `${shown(file)} imports vscode`);
        if (!target) continue;
        if (inRoom(file, "src/extension"))
          assert.ok(!inRoom(target, "src/worker"), `${shown(file)} imports ${shown(target)}`);
        if (inRoom(file, "src/worker"))
          assert.ok(!inRoom(target, "src/extension"), `${shown(file)} imports ${shown(target)}`);
      }
    }
  });

  it("keeps the protocol to itself, and the pages to the protocol", () => {
    for (const file of files.filter((f) => inRoom(f, "src/protocol"))) {
      for (const { specifier, target } of importsOf(file)) {
        assert.ok(target && inRoom(target, "src/protocol"), `${shown(file)} imports ${specifier}`);
      }
    }
    for (const file of pages) {
      for (const { target } of importsOf(file)) {
        if (target)
          assert.ok(
            inRoom(target, "media") || inRoom(target, "src/protocol"),
            `${shown(file)} imports ${shown(target)}`,
          );
      }
    }
  });

  it("has no import that runs upward", () => {
    const floorOf = (file: string) =>
      FLOORS.findIndex((rooms) => rooms.some((room) => inRoom(file, `src/worker/${room}`)));
    for (const file of files.filter((f) => inRoom(f, "src/worker") && floorOf(f) >= 0)) {
      for (const { target } of importsOf(file)) {
        if (!target || !inRoom(target, "src/worker")) continue;
        assert.ok(floorOf(target) >= 0, `${shown(file)} imports an entry, ${shown(target)}`);
        assert.ok(floorOf(target) <= floorOf(file), `${shown(file)} imports upward: ${shown(target)}`);
      }
    }
  });

  it("has no circle of imports, those of types included", () => {
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (done.has(file)) return;
      const at = trail.indexOf(file);
      assert.equal(at, -1, `circle: ${[...trail.slice(at), file].map(shown).join(" -> ")}`);
      for (const { target } of importsOf(file)) if (target) visit(target, [...trail, file]);
      done.add(file);
    };
    for (const file of [...files, ...pages]) visit(file, []);
  });

  it("has no folder of many files, except folders of similar things", () => {
    const counts = new Map<string, number>();
    for (const folder of [...files, ...pages].map(dirname)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
    for (const [folder, count] of counts)
      assert.ok(count <= 15 || ALIKE.has(shown(folder)), `${shown(folder)} holds ${count} files`);
  });

  it("keeps no state of readings in variables of modules", () => {
    for (const file of files.filter((f) => inRoom(f, "src/worker/readers"))) {
      const allowed = OF_THE_PROCESS[shown(file)] ?? [];
      const text = readFileSync(file, "utf8");
      const found = [...text.matchAll(VARIABLE), ...text.matchAll(COLLECTION)].map(([, name]) => name!);
      for (const name of found)
        assert.ok(
          allowed.includes(name),
          `${shown(file)} keeps ${name}, which every reading sees: make it a field of a value, of ReadingSession, or of a part of ReaderMemory`,
        );
      for (const name of allowed) assert.ok(found.includes(name), `${shown(file)} has no ${name} any more`);
    }
  });

  it("loads an engine's library only on demand", () => {
    for (const file of files) {
      const text = readFileSync(file, "utf8");
      const eager = /(?:^|\n)import (?!type\b)[^;]*from ["'](?:onnxruntime-node|@tensorflow\/[^"']*)["']/.exec(text);
      assert.equal(eager, null, `${shown(file)} imports an engine's library when it is loaded`);
    }
  });

  it("has no file much above 500 lines", () => {
    for (const file of [...files, ...pages]) {
      const lines = readFileSync(file, "utf8").split("\n").length;
      assert.ok(lines <= 520, `${shown(file)} has ${lines} lines`);
    }
  });
});
