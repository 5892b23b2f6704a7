import { existsSync, realpathSync } from "node:fs";
import { basename, parse, resolve } from "node:path";
import type { ReaderMemory } from "../../memory";
import type { SearchedFolder } from "../../model";
import { CONFIG_LIBRARIES } from "../configs/hydraModule";
import type { Scope } from "../evaluate/scope";
import { absentLightning } from "../libraries/lightning";
import { NUMPY_MODULES } from "../libraries/numpy";
import { STANDARD_LIBRARY } from "../libraries/stdlib";
import { TORCH_MODULES } from "../libraries/torch";
import { isVisionData } from "../libraries/torchvision";
import type { Evaluator, ImportResolver, NotFollowed } from "../values/evaluator";
import { LazyNamespace, PyNamespace, type Value } from "../values/values";
import { LazyModule } from "./lazyModule";
import { type Callers, isBelow, ProjectFiles, searchedFolder } from "./project";
import { knownLibrary } from "./replaced";
import {
  type Home,
  homeOf,
  type Listings,
  type Located,
  locate,
  originalHome,
  packageOf,
  rootsOf,
  within,
} from "./roots";
import { type Imported, ModuleSources, stateOf } from "./sources";
import { isStandard } from "./standard";
import type { WrittenModules } from "./writtenModules";

/** What one reading may load: the largest models of transformers need some fifty modules, 3 MB. */
const MAX_MODULES = 1500;
const MAX_TEXT = 48 * 1024 * 1024;

/** Libraries whose work is done by compiled code: their Python says nothing of a model's sizes. */
const COMPILED_LIBRARIES =
  "torch numpy scipy pandas sklearn matplotlib tensorflow jax flax keras cv2 PIL numba triton cupy pyarrow deepspeed";
/** Libraries that train, adapt or feed a model that is there. */
const TRAINING_LIBRARIES =
  "peft trl accelerate datasets evaluate bitsandbytes wandb tokenizers huggingface_hub tqdm requests psutil IPython rich gradio";
const NOT_FOLLOWED = new Set(`${COMPILED_LIBRARIES} ${TRAINING_LIBRARIES}`.split(" "));

const FOLLOWED_NOWHERE: NotFollowed = { why: "", absent: false };
const FOUND_NOWHERE: NotFollowed = { ...FOLLOWED_NOWHERE, unfound: true };

/** The modules that one reading's imports lead to. Their files are read; nothing is run. */
export class Environment {
  private readonly home: Home;
  /** Where the file was copied from, or its home. */
  private original: Home | undefined;
  private readonly roots: readonly string[];
  private readonly mainFile: string | undefined;
  private readonly modules = new Map<string, PyNamespace | NotFollowed>();
  private readonly byFile = new Map<string, LazyModule>();
  private readonly listed: Listings = new Map();
  private text = 0;
  private readonly sources: ModuleSources;
  private readonly project: ProjectFiles;
  /** Folders in which no file was found. */
  searched: SearchedFolder | undefined;
  /** Of a notebook whose cells write modules. */
  written: WrittenModules | undefined;

  constructor(
    private readonly file: string,
    private readonly packages: readonly string[],
    memory: ReaderMemory,
  ) {
    this.sources = memory.of(ModuleSources);
    this.project = memory.of(ProjectFiles);
    this.home = homeOf(file);
    this.roots = rootsOf(file, this.home);
    this.mainFile = existsSync(file) ? realpathSync(file) : undefined;
  }

  readonly resolve: ImportResolver = (ev, name, importer) => {
    const dots = /^\.*/.exec(name)![0].length;
    if (dots > 0) return this.relative(ev, name.slice(dots), dots, importer);
    const known =
      TORCH_MODULES.get(name) ??
      STANDARD_LIBRARY.get(name) ??
      NUMPY_MODULES.get(name) ??
      knownLibrary(name) ??
      CONFIG_LIBRARIES.get(name);
    if (known) return known;
    const written = this.written?.find(name);
    if (written) return written;
    const top = name.split(".")[0]!;
    const own = importer.package?.root;
    // Their own files are followed: somebody may be writing them.
    const isOwn = importer.package?.name.split(".")[0] === top;
    if (((NOT_FOLLOWED.has(top) || isVisionData(name)) && !isOwn) || isStandard(top)) return FOLLOWED_NOWHERE;
    const roots = own === undefined || this.roots.includes(own) ? this.roots : [own, ...this.roots];
    for (const root of roots) {
      const found = this.find(ev, root, name, true);
      if (found) return found;
    }
    for (const root of this.packages) {
      const found = this.find(ev, root, name, false);
      if (found) return found;
    }
    const elsewhere = this.written?.findAnywhere(name) ?? absentLightning(name);
    if (elsewhere) return elsewhere;
    if (this.packages.length === 0) return FOUND_NOWHERE;
    // Where the code adds folders to those that are searched, it may be found in one of them.
    const added = /\bsys\.path\b|\baddsitedir\b/.test(importer.text?.text ?? "");
    return { why: "it is not installed in the Python environment", absent: !added, unfound: true };
  };

  private relative(ev: Evaluator, rest: string, dots: number, importer: Scope): PyNamespace | NotFollowed {
    const home = importer.package ?? this.home;
    const found = this.relativeTo(home, ev, rest, dots);
    if (home !== this.home || found instanceof PyNamespace) return found;
    this.original ??= originalHome(this.file, this.packages) ?? this.home;
    return this.original === this.home ? found : this.relativeTo(this.original, ev, rest, dots);
  }

  private relativeTo({ root, name }: Home, ev: Evaluator, rest: string, dots: number): PyNamespace | NotFollowed {
    const parts = name === "" ? [] : name.split(".");
    if (dots - 1 > parts.length) return { why: "it is outside the package", absent: false };
    const full = [...parts.slice(0, parts.length - (dots - 1)), ...(rest === "" ? [] : [rest])].join(".");
    const written = this.written?.find(full);
    if (written) return written;
    if (full === "") return new Below(this, ev, root, "", true);
    const installed = this.packages.includes(root);
    return this.find(ev, root, full, !installed) ?? { why: "there is no such file", absent: true, unfound: true };
  }

  /** The module of the dotted name below the root. `strict`: links that lead out of the root are not followed. */
  find(ev: Evaluator, root: string, name: string, strict: boolean): PyNamespace | NotFollowed | undefined {
    const key = `${root}\n${name}`;
    const known = this.modules.get(key);
    if (known) return known;
    const located = locate(root, name, this.listed);
    if (!located) return undefined;
    const found = this.open(ev, root, name, located, strict);
    this.modules.set(key, found);
    // A library's modules are taken as they are.
    if (strict && found instanceof LazyModule) found.patch();
    return found;
  }

  private open(
    ev: Evaluator,
    root: string,
    name: string,
    located: Located,
    strict: boolean,
  ): PyNamespace | NotFollowed {
    if (located.kind === "compiled") return { why: "it is compiled code", absent: false };
    if (located.kind === "forbidden") return { why: `${located.path} may not be read`, absent: false };
    if (located.kind === "folder") return new Below(this, ev, root, name, strict);
    const file = strict ? within(root, located.file) : realpathSync(located.file);
    if (file === undefined) return { why: `it is a link to a place outside ${root}`, absent: false };
    if (file === this.mainFile) return new Opened(ev, name);
    const known = this.byFile.get(file);
    if (known) return known;
    if (this.byFile.size >= MAX_MODULES)
      return { why: `this file's imports lead to more than ${MAX_MODULES} modules`, absent: false };
    const source = this.sources.of(file);
    if (!source) return { why: "its file cannot be read or is too long", absent: false };
    this.text += source.source.text.length;
    if (this.text > MAX_TEXT) return { why: "this file's imports lead to more code than is read", absent: false };
    const home = { root, name: packageOf(name, located) };
    const surroundings = (importer: Scope) => ({
      imported: (wanted: string) => namespaceOf(this.resolve(ev, wanted, importer)),
      below: (wanted: string) =>
        located.package ? namespaceOf(this.find(ev, root, `${name}.${wanted}`, strict)) : undefined,
      installed: (wanted: string) =>
        [...this.packages, ...this.roots].some((folder) => locate(folder, wanted, this.listed)),
    });
    const module = new LazyModule(ev, name, home, source, surroundings);
    this.byFile.set(file, module);
    return module;
  }

  /** Other files of the project that may construct the class, as their text has it; none for a text without a file. */
  callers(file: string, className: string): Callers {
    const own = this.ownFile(file);
    return own === undefined ? { files: [], names: new Set([className]) } : this.project.callers(own, className);
  }

  /** To be called where they construct nothing: a file that is made later may. */
  noteUnresolved(file: string): void {
    const own = this.ownFile(file);
    if (own !== undefined) this.searched = searchedFolder(own);
  }

  /** Without links; undefined for a text without a file, and for what is installed. */
  private ownFile(file: string): string | undefined {
    if (!existsSync(file)) return undefined;
    const real = realpathSync(file);
    return this.packages.some((root) => isBelow(root, real)) ? undefined : real;
  }

  /** A file of the project as a module; undefined when it cannot be read. */
  module(ev: Evaluator, file: string): LazyModule | undefined {
    const known = this.byFile.get(file);
    if (known) return known;
    const { root, name } = homeOf(file);
    const isPackage = basename(file) === "__init__.py";
    const full = isPackage ? name : [name, parse(file).name].filter(Boolean).join(".");
    const found = this.open(ev, root, full, { kind: "module", file, package: isPackage }, true);
    return found instanceof LazyModule ? found : undefined;
  }

  /** What has been read so far. */
  imported(): Imported {
    return new Map([...this.byFile.keys()].map((file) => [file, stateOf(file)]));
  }

  /** For the scope of the file that is read. */
  get package(): Home {
    return this.home;
  }
}

function namespaceOf(found: PyNamespace | NotFollowed | undefined): PyNamespace | undefined {
  return found instanceof PyNamespace ? found : undefined;
}

/** A folder of modules without code of its own. */
class Below extends LazyNamespace {
  constructor(
    private readonly environment: Environment,
    private readonly ev: Evaluator,
    private readonly root: string,
    name: string,
    private readonly strict: boolean,
  ) {
    super(name);
  }

  override get(name: string): Value | undefined {
    const full = this.name === "" ? name : `${this.name}.${name}`;
    return namespaceOf(this.environment.find(this.ev, this.root, full, this.strict));
  }

  override exported(): undefined {
    return undefined;
  }
}

/** The file that is read, imported by a module that it imports: the names that it has so far. */
class Opened extends LazyNamespace {
  constructor(
    private readonly ev: Evaluator,
    name: string,
  ) {
    super(name);
  }

  override get(name: string): Value | undefined {
    return this.ev.globals.names.get(name);
  }

  override ownNames(): Map<string, Value> {
    return this.ev.globals.names;
  }

  override exported(name: string): Value | undefined {
    return name.startsWith("_") ? undefined : this.get(name);
  }
}

export function environmentOf(file: string, packages: readonly string[], memory: ReaderMemory): Environment {
  return new Environment(resolve(file), packages, memory);
}
