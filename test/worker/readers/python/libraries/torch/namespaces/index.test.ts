import { strict as assert } from "node:assert";
import { TORCH_MODULES } from "../../../../../../../src/worker/readers/python/libraries/torch";
import { PyNamespace } from "../../../../../../../src/worker/readers/python/values/values";
import { messages, readTorch } from "../../../reading";

describe("modules of torch", () => {
  it("can be imported, each that another has, as the same object", () => {
    const modules = TORCH_MODULES;
    const seen = [...modules].filter(([name]) => name === "torch" || name.startsWith("torch."));
    assert.ok(seen.length > 40, `${seen.length}`);
    for (const [name, space] of seen) {
      assert.equal(space.name, name);
      for (const member of space.members.values())
        if (member instanceof PyNamespace && member.name.startsWith(`${name}.`))
          assert.equal(modules.get(member.name), member, member.name);
    }
  });

  it("are found by import statements, torch.accelerator among them", async () => {
    const opened = await readTorch(`
import torch.accelerator
from torch.accelerator import is_available
from torch.backends.mps import is_available as has_mps
width = 6 if torch.accelerator.device_count() == 0 and not is_available() and not has_mps() else 7
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, width)
`);
    assert.deepEqual(messages(opened), []);
    assert.equal(opened.models[0]!.root.parameters, 30);
  });
});
