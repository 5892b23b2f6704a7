"""The Linear layers of every model class of the installed transformers package, by PyTorch itself.

Constructs each class with its default configuration on the meta device, where tensors have shapes and no values, and
writes one JSON line for each modeling file:

    {"file": "bert/modeling_bert.py", "classes": {"BertModel": [["encoder.layer.0...query", 768, 768, true], ...]},
     "refused": {"Name": "why PyTorch cannot construct it"}, "version": "5.18.0"}

Usage: PYTHON transformers_reference.py OUTPUT [MODEL ...]. Files that OUTPUT already has are left out.
"""

import importlib
import inspect
import json
import os
import signal
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
warnings.filterwarnings("ignore")
# A torchvision built for another torch fails to import; no model's layers depend on it.
sys.modules["torchvision"] = None
SECONDS = 60


def linears(model):
    from torch import nn

    return [
        [path, int(module.in_features), int(module.out_features), module.bias is not None]
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear)
    ]


def expired(*_):
    raise TimeoutError(f"not constructed within {SECONDS} s")


def model_classes(module):
    from transformers import PreTrainedModel

    for name, value in list(vars(module).items()):
        if not inspect.isclass(value) or value.__module__ != module.__name__:
            continue
        if issubclass(value, PreTrainedModel) and getattr(value, "config_class", None) is not None:
            # The abstract base of a file's models holds no layers of its own.
            if not name.endswith("PreTrainedModel"):
                yield name, value


def read(name):
    import torch

    row = {"classes": {}, "refused": {}}
    module = importlib.import_module(name)
    for class_name, model_class in model_classes(module):
        signal.alarm(SECONDS)
        try:
            with torch.device("meta"):
                row["classes"][class_name] = linears(model_class(model_class.config_class()))
        except Exception as error:
            row["refused"][class_name] = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        finally:
            signal.alarm(0)
    return row


def main(output, wanted):
    import transformers

    signal.signal(signal.SIGALRM, expired)
    done = set()
    if os.path.exists(output):
        with open(output) as lines:
            done = {json.loads(line)["file"] for line in lines}
    root = os.path.join(os.path.dirname(transformers.__file__), "models")
    for model in sorted(os.listdir(root)):
        folder = os.path.join(root, model)
        if not os.path.isdir(folder) or (wanted and model not in wanted):
            continue
        for file in sorted(os.listdir(folder)):
            path = f"{model}/{file}"
            if not (file.startswith("modeling_") and file.endswith(".py")) or path in done:
                continue
            try:
                row = read(f"transformers.models.{model}.{file[:-3]}")
            except Exception as error:
                row = {"classes": {}, "refused": {}, "error": f"{type(error).__name__}: {error}"[:200]}
            with open(output, "a") as lines:
                lines.write(json.dumps({"file": path, **row, "version": transformers.__version__}) + "\n")


main(sys.argv[1], sys.argv[2:])
