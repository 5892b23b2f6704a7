"""Tiny checkpoints of every model type whose keys transformers converts as it loads, and what PyTorch makes of them.

    python checkpoints_reference.py FOLDER [MODEL_TYPE ...]          writes them
    python checkpoints_reference.py --check FOLDER [MODEL_TYPE ...]  loads FOLDER/TYPE/merged, compares with what is expected

Each FOLDER/TYPE has the checkpoint as save_pretrained writes it, `loaded.safetensors` (the state dict of the model that
from_pretrained makes of it), `inputs.npz` and `outputs.npz` where forward runs on plain inputs, and `about.json`.
"""

import gc
import json
import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
warnings.filterwarnings("ignore")

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.models.auto import modeling_auto

TABLES = [
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    "MODEL_FOR_PRETRAINING_MAPPING_NAMES",
    "MODEL_MAPPING_NAMES",
]
MOST_PARAMETERS = 30_000_000

# What a field becomes, by its name, the first that matches. Small enough for seconds, and still divisible as needed.
SMALL = [
    ("vocab_size", 160),
    ("num_hidden_layers num_layers n_layer n_layers encoder_layers decoder_layers depth num_block num_blocks", 2),
    ("hidden_size d_model embed_dim n_embd dim projection_dim encoder_hidden_size decoder_hidden_size out_hidden_size", 64),
    ("num_attention_heads num_heads n_head n_heads encoder_attention_heads decoder_attention_heads", 4),
    ("num_key_value_heads", 2),
    ("head_dim v_head_dim", 16),
    ("qk_nope_head_dim qk_rope_head_dim", 8),
    ("q_lora_rank kv_lora_rank", 16),
    ("intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim mlp_dim", 64),
    ("moe_intermediate_size shared_expert_intermediate_size", 32),
    ("num_experts num_local_experts n_routed_experts moe_num_experts", 4),
    ("num_experts_per_tok moe_k num_experts_per_token", 2),
    ("n_group topk_group", 1),
    ("image_size", 32),
    ("patch_size", 8),
    ("max_position_embeddings", 64),
]
NAMED = {name: value for names, value in SMALL for name in names.split()}


def shrink(config):
    # Set behind the back of what checks each change alone.
    own = vars(config)
    for name, value in list(own.items()):
        if isinstance(value, PreTrainedConfig):
            shrink(value)
        elif isinstance(value, bool) or (name == "embed_dim" and isinstance(own.get("num_heads"), list)):
            continue
        elif name in NAMED and isinstance(value, int) and value > NAMED[name]:
            own[name] = NAMED[name]
        elif name.endswith("_token_id") and isinstance(value, int) and value >= 160:
            own[name] = 100 + sum(map(ord, name)) % 50
        elif name.endswith("layer_types") and isinstance(value, list):
            # The first and the last: mostly they differ.
            own[name] = [value[0], value[-1]]
    if isinstance(own.get("stage_names"), list) and NAMED["num_hidden_layers"] in (own.get("num_hidden_layers"), own.get("depth")):
        own["stage_names"] = ["stem", "stage1", "stage2"]
        own["_out_features"], own["_out_indices"] = ["stage2"], [2]
    return config


def classes(model_type):
    for table in TABLES:
        names = getattr(modeling_auto, table, {}).get(model_type)
        for name in [names] if isinstance(names, str) else names or []:
            cls = getattr(transformers, name, None)
            if cls is not None:
                yield cls


def converts(model):
    legacy = {tuple(t.source_patterns) for t in transformers.conversion_mapping.get_checkpoint_conversion_mapping("legacy")}
    return any(tuple(t.source_patterns) not in legacy for t in get_model_conversion_mapping(model))


def whole(model):
    """Every entry of the state dict, tied ones under each name."""
    return {key: value.detach().clone().contiguous() for key, value in model.state_dict().items()}


def inputs_of(model):
    config = model.config.get_text_config()
    torch.manual_seed(1)
    name = model.main_input_name
    if name == "input_ids" or hasattr(config, "vocab_size"):
        return {"input_ids": torch.randint(3, 90, (2, 7))}
    if name == "pixel_values":
        size = getattr(model.config, "image_size", 32)
        size = size if isinstance(size, int) else size[0]
        return {"pixel_values": torch.randn(2, getattr(model.config, "num_channels", 3), size, size)}
    return None


def write(model_type, folder):
    config = shrink(CONFIG_MAPPING[model_type]())
    reasons = []
    for cls in classes(model_type):
        try:
            with torch.device("meta"):
                probe = cls(config)
            if not converts(probe):
                continue
            size = sum(p.numel() for p in probe.parameters())
            if size > MOST_PARAMETERS:
                reasons.append(f"{cls.__name__}: {size:,} parameters")
                continue
            torch.manual_seed(0)
            model = cls(config).eval()
            for parameter in model.parameters():
                parameter.data.normal_(0, 0.05)
            os.makedirs(folder, exist_ok=True)
            model.save_pretrained(folder)
            model, info = cls.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
            model.eval()
            if info["missing_keys"] or info["unexpected_keys"]:
                reasons.append(f"{cls.__name__}: PyTorch itself loads it with {info['missing_keys']} missing, {info['unexpected_keys']} left over")
                continue
            save_file(whole(model), os.path.join(folder, "loaded.safetensors"))
            about = {"class": cls.__name__, "type": model_type, "linear": [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]}
            inputs = inputs_of(model)
            try:
                with torch.no_grad():
                    outputs = model(**inputs)
                arrays = {k: v.numpy() for k, v in outputs.items() if isinstance(v, torch.Tensor)}
                np.savez(os.path.join(folder, "inputs.npz"), **{k: v.numpy() for k, v in inputs.items()})
                np.savez(os.path.join(folder, "outputs.npz"), **arrays)
                about["runs"] = True
            except Exception as error:
                about["runs"] = f"{type(error).__name__}: {error}"[:300]
            with open(os.path.join(folder, "about.json"), "w") as file:
                json.dump(about, file)
            return f"{cls.__name__}, {size:,} parameters"
        except Exception as error:
            reasons.append(f"{cls.__name__}: {type(error).__name__}: {str(error)[:160]}")
    return None if not reasons else "! " + "; ".join(reasons)


def check(folder):
    with open(os.path.join(folder, "about.json")) as file:
        about = json.load(file)
    cls = getattr(transformers, about["class"])
    model, info = cls.from_pretrained(os.path.join(folder, "merged"), dtype=torch.float32, output_loading_info=True)
    expected = load_file(os.path.join(folder, "expected.safetensors"))
    found = whole(model)
    worst = max((float((found[k] - v).abs().max()) if v.numel() else 0.0) for k, v in expected.items())
    return {"missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"]), "worst": worst}


def main():
    checking = sys.argv[1] == "--check"
    folder, *wanted = sys.argv[2:] if checking else sys.argv[1:]
    for model_type in wanted or sorted(CONFIG_MAPPING.keys() if not checking else os.listdir(folder)):
        path = os.path.join(folder, model_type)
        try:
            if checking:
                if os.path.exists(os.path.join(path, "merged")):
                    print(json.dumps({"type": model_type, **check(path)}), flush=True)
                continue
            said = write(model_type, path)
            if said is not None:
                print(f"{model_type}: {said}", flush=True)
        except Exception as error:
            print(json.dumps({"type": model_type, "error": str(error)[:300]}) if checking else f"{model_type}: ! {type(error).__name__}: {str(error)[:200]}", flush=True)
        gc.collect()


main()
