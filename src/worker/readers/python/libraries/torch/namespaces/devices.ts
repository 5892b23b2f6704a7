import { type PyNamespace, PyNative } from "../../../values/values";
import { cpuDevice } from "../tensor/tensorClass";
import { CUDA } from "./surroundings";

import { namespace } from "./wrappers";

/** Devices: there is one, the CPU. */

export function makeCuda(): PyNamespace {
  return namespace("torch.cuda", [
    ["is_available", new PyNative("is_available", "", () => false)],
    ["device_count", new PyNative("device_count", "", () => 0)],
    ["manual_seed", new PyNative("manual_seed", "seed", () => null)],
    ["manual_seed_all", new PyNative("manual_seed_all", "seed", () => null)],
    ...CUDA,
  ]);
}

export function makeAccelerator(): PyNamespace {
  return namespace("torch.accelerator", [
    ["is_available", new PyNative("is_available", "", () => false)],
    ["device_count", new PyNative("device_count", "", () => 0)],
    ["current_accelerator", new PyNative("current_accelerator", "check_available=False", () => cpuDevice)],
  ]);
}

export function makeBackends(): PyNamespace {
  return namespace("torch.backends", [
    ["mps", namespace("torch.backends.mps", [["is_available", new PyNative("is_available", "", () => false)]])],
  ]);
}
