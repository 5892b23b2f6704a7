"""What PyTorch makes of the model classes of one file: their state dicts, and what forward gives for random numbers.

Usage: PYTHON files_reference.py REQUEST FOLDER

REQUEST is what bench/files.ts writes: the file, its text, and each class with the constructor's and forward's arguments
that the reader worked out. Of the file run imports, classes, functions and the assignments that they need: no training,
no download. For each class FOLDER receives `N.safetensors` (state dict, inputs, outputs) and `N.json`.
"""

import argparse
import ast
import builtins
import contextlib
import enum
import importlib.abc
import importlib.machinery
import json
import os
import sys
import types
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

class Anything(types.ModuleType):
    """Stands for a package that a file imports for its data, and for all that is in it."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *args, **kwargs):
        return Anything("made")


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is not installed among the packages that no layer depends on, and a torchvision for another torch."""

    NAMES = {"datasets", "matplotlib", "pandas", "requests", "tensorflow", "tiktoken", "torchtext", "torchvision", "tqdm"}

    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        usable = top != "torchvision" and importlib.machinery.PathFinder.find_spec(top) is not None
        return None if top not in self.NAMES or usable else importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        return Anything(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Absent())

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

# What a file moves to a GPU stays where it is.
torch.Tensor.cuda = lambda self, *args, **kwargs: self

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def cells(file, text):
    """The file's statements; a notebook's cells are one module, and what is not Python in them is left out."""
    if not file.endswith(".ipynb"):
        return ast.parse(text).body
    statements = []
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).split("\n")
        with contextlib.suppress(SyntaxError):
            statements += ast.parse("\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))).body
    return statements


def names(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def assigned(statement):
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def is_guard(statement):
    return isinstance(statement, ast.If) and "__name__" in names(statement.test)


def chosen(statements):
    """Imports, definitions, and what assigns or changes a name that those use, or that such a statement uses."""
    flat = [s for outer in statements for s in (outer.body if is_guard(outer) else [outer])]
    imports = (ast.Import, ast.ImportFrom, ast.Try)
    kept = {id(s) for s in flat if isinstance(s, DEFINITIONS + imports)}
    used = set().union(*(names(s) for s in flat if isinstance(s, DEFINITIONS)))
    for _ in flat:
        before = len(kept)
        for s in flat:
            calls = isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and isinstance(s.value.func, ast.Attribute)
            touched = names(s.value.func) if calls else assigned(s)
            # Data and training stay out: loops, and what a model or a loader is asked for.
            if isinstance(s, (ast.For, ast.While, ast.With)) or not touched & used:
                continue
            kept.add(id(s))
            used |= names(s)
        if len(kept) == before:
            break
    return [s for s in flat if id(s) in kept]


def import_package(name, folder):
    """What a package's __init__ imports may not be installed; the file itself may need none of it."""
    try:
        importlib.import_module(name)
    except Exception:
        bare = types.ModuleType(name)
        bare.__path__ = [folder]
        sys.modules[name] = bare


def load(file, text):
    module = types.ModuleType("__model__")
    folder = os.path.dirname(os.path.abspath(file))
    package = []
    root = folder
    while os.path.exists(os.path.join(root, "__init__.py")):
        package.insert(0, os.path.basename(root))
        root = os.path.dirname(root)
    sys.path[:0] = [root, folder]
    module.__file__ = file
    for depth in range(1, len(package) + 1):
        import_package(".".join(package[:depth]), os.path.join(root, *package[:depth]))
    module.__package__ = ".".join(package)
    sys.modules["__model__"] = module
    sys.argv = [file]
    os.chdir(folder)
    failed = []
    for statement in chosen(cells(file, text)):
        code = compile(ast.Module([statement], []), file, "exec")
        try:
            exec(code, module.__dict__)
        except (Exception, SystemExit) as error:
            failed.append(f"line {statement.lineno}: {type(error).__name__}: {error}")
    return module, failed


class Decoder:
    """Values as bench/files.ts writes them."""

    def __init__(self, module, inputs):
        self.module = module
        self.inputs = inputs

    def named(self, name):
        for place in (self.module, torch.nn, torch.nn.functional, torch, argparse, types, builtins):
            if hasattr(place, name):
                return getattr(place, name)
        for other in list(sys.modules.values()):
            if isinstance(other, types.ModuleType) and isinstance(vars(other).get(name), type):
                return vars(other)[name]
        raise LookupError(f"{name} is not in the file")

    def value(self, v):
        if not isinstance(v, dict):
            return v
        ((kind, of),) = v.items()
        return getattr(self, f"{kind}_value")(of)

    def float_value(self, of):
        return float(of)

    def list_value(self, of):
        return [self.value(v) for v in of]

    def tuple_value(self, of):
        return tuple(self.value(v) for v in of)

    def set_value(self, of):
        return {self.value(v) for v in of}

    def dict_value(self, of):
        return {self.value(k): self.value(v) for k, v in of}

    def dtype_value(self, of):
        return getattr(torch, of)

    def name_value(self, of):
        return self.named(of)

    def device_value(self, of):
        return torch.device(of)

    def tensor_value(self, of):
        dtype, shape, values = of
        numbers = [float(v.replace("Infinity", "inf")) for v in values]
        return torch.tensor(numbers, dtype=torch.float64).reshape(shape).to(getattr(torch, dtype))

    def input_value(self, of):
        return self.inputs[of]

    def module_value(self, of):
        return self.named(of["class"])(**{k: self.value(v) for k, v in of["arguments"]})

    def object_value(self, of):
        cls = self.named(of["class"])
        attributes = {k: self.value(v) for k, v in of["attributes"]}
        if issubclass(cls, enum.Enum):
            return cls[attributes["name"]]
        made = cls.__new__(cls)
        made.__dict__.update(attributes)
        return made


def random_input(spec):
    dtype = getattr(torch, spec["dtype"])
    if dtype == torch.bool:
        return torch.ones(spec["shape"], dtype=dtype)
    if dtype.is_floating_point:
        return torch.randn(spec["shape"]).to(dtype)
    return torch.randint(0, int(spec.get("below", 2)), spec["shape"], dtype=dtype)


def randomize(model):
    """Small random values everywhere: biases and scales that start as zeros and ones would hide what they do."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.add_(0.02 * torch.randn(parameter.shape).to(parameter.dtype))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)


@contextlib.contextmanager
def drawn(log):
    """Random numbers that forward draws go to the log: the other side is given the same."""
    kept = {name: getattr(torch, name) for name in ("randn", "rand", "randn_like", "rand_like")}

    def logging(of):
        def draw(*args, **kwargs):
            log.append(of(*args, **kwargs))
            return log[-1].clone()

        return draw

    for name, of in kept.items():
        setattr(torch, name, logging(of))
    try:
        yield
    finally:
        for name, of in kept.items():
            setattr(torch, name, of)


def flatten(name, value, into):
    if isinstance(value, torch.Tensor):
        into[name] = value
    elif hasattr(value, "_fields"):
        for field in value._fields:
            flatten(f"{name}_{field}", getattr(value, field), into)
    elif isinstance(value, (tuple, list)):
        for i, item in enumerate(value):
            flatten(f"{name}_{i}", item, into)
    elif isinstance(value, dict):
        for key, item in value.items():
            flatten(f"{name}_{key}", item, into)
    elif hasattr(value, "__dict__"):
        for key, item in vars(value).items():
            flatten(f"{name}_{key}", item, into)


def dtype_name(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def compare(module, request, stem):
    inputs = {spec["name"]: random_input(spec) for spec in request["inputs"]}
    decoder = Decoder(module, inputs)
    cls = getattr(module, request["class"])
    arguments = {name: decoder.value(v) for name, v in request["arguments"]}
    torch.manual_seed(0)
    with torch.device("meta") if request["meta"] else contextlib.nullcontext():
        model = cls(**arguments)
    if request.get("dtype"):
        model = model.to(getattr(torch, request["dtype"]))
    state = model.state_dict()
    answer = {"state": [[name, list(t.shape), dtype_name(t)] for name, t in state.items()]}
    if request["meta"] or request["call"] is None:
        return answer
    model.eval()
    log, outputs = [], {}
    with torch.no_grad():
        randomize(model)
        tensors = {f"state.{name}": t.detach().clone().contiguous() for name, t in model.state_dict().items()}
        tensors |= {f"input.{name}": t.clone() for name, t in inputs.items()}
        args, kwargs = request["call"]
        try:
            with drawn(log):
                result = model(*(decoder.value(v) for v in args), **{k: decoder.value(v) for k, v in kwargs})
        except Exception as error:
            return {**answer, "refused": f"{type(error).__name__}: {error}"}
    flatten("output", result, outputs)
    tensors |= {f"noise.{i}": t.clone().contiguous() for i, t in enumerate(log)}
    tensors |= {f"output.{name}": t.detach().clone().contiguous() for name, t in outputs.items()}
    save_file(tensors, f"{stem}.safetensors")
    return {**answer, "outputs": list(outputs)}


def main(request, folder):
    with open(request) as file:
        asked = json.load(file)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        module, failed = load(asked["file"], asked["text"])
        for i, of in enumerate(asked["classes"]):
            stem = os.path.join(folder, str(i))
            try:
                answer = compare(module, of, stem)
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0][:300], "failed": failed}
            with open(f"{stem}.json", "w") as file:
                json.dump(answer, file)


main(sys.argv[1], os.path.abspath(sys.argv[2]))
