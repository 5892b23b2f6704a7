import assert from "node:assert/strict";
import { layersOf, modelNamed, readTorch } from "../reading";

/** "severity line: message" of what is more than a remark on an open parameter. */
const problems = (found: Awaited<ReturnType<typeof readTorch>>): string[] =>
  found.problems.map(({ severity, place, message }) => `${severity} ${place.line}: ${message}`);

describe("the parameters of a constructor", () => {
  it("include those that it passes on to its base class", async () => {
    const found = await readTorch(`
class Base(nn.Module):
    def __init__(self, kind, size, scale=2):
        super().__init__()
        self.fc = nn.Linear(size, size * scale)
class First(Base):
    def __init__(self, *args, **kwargs):
        super().__init__("first", *args, **kwargs)
class Named(Base):
    def __init__(self, extra, **kwargs):
        Base.__init__(self, "named", **kwargs)
class Keyed(Base):
    def __init__(self, **kwargs):
        super().__init__(kind="keyed", **kwargs)
class Table(nn.Embedding):
    def __init__(self, rows, *args, shared=None, **kwargs):
        super().__init__(rows // 2, *args, **kwargs)
`);
    // Nothing of this is an error: what is open is said to be, by the names that a call would give.
    const unknown = problems(found).map((line) => line.replace(/ (is|are) unknown: .*/, ""));
    assert.deepEqual(unknown, [
      "information 5: kind and size of Base",
      "information 9: size of First",
      "information 12: extra and size of Named",
      "information 15: size of Keyed",
      "information 18: rows and embedding_dim of Table",
    ]);
    for (const name of ["Base", "First", "Named", "Keyed"])
      assert.deepEqual(layersOf(modelNamed(found, name)), ["fc Linear"]);
  });

  it("leave the number of parameters unknown if they decide the number of layers", async () => {
    const found = await readTorch(`
class Deep(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.head = nn.Linear(2, 2)
        self.layers = nn.Sequential(*[nn.Linear(2, 2) for _ in range(depth)])
class Sampler(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary = vocabulary
        # What is only remarked on leaves nothing out.
        self.register_buffer("turns", torch.polar(torch.ones(2), torch.ones(2)))
        self.head = nn.Linear(2, 2)
`);
    assert.equal(modelNamed(found, "Deep").root.parameters, undefined);
    assert.equal(modelNamed(found, "Sampler").root.parameters, 6);
  });

  it("give an error when the file passes values that the constructor refuses, but not when it refuses its defaults", async () => {
    const net = `
class Net(nn.Module):
    def __init__(self, heads=-1):
        super().__init__()
        assert heads > 0, "say how many heads"
        self.fc = nn.Linear(8, heads)
`;
    assert.deepEqual(problems(await readTorch(net)), [
      "information 8: AssertionError: say how many heads (with the defaults of its parameters)",
    ]);
    assert.deepEqual(problems(await readTorch(`${net}\nNet(0)\n`)), ["error 8: AssertionError: say how many heads"]);
    const rate =
      "class Drop(nn.Module):\n    def __init__(self, rate=None):\n        super().__init__()\n        self.rate = float(rate)\n";
    const [none] = (await readTorch(rate)).problems;
    assert.equal(none?.severity, "information");
    assert.match(none?.message ?? "", /not 'NoneType' \(with the defaults of its parameters\)$/);
    // What is wrong whatever the arguments is not a refusal.
    const wrong = await readTorch(net.replace('assert heads > 0, "say how many heads"', "nn.Linear(8)"));
    assert.deepEqual(
      wrong.problems.map(({ severity }) => severity),
      ["error"],
    );
  });
});

describe("copies of members of enums", () => {
  it("are the members themselves", async () => {
    const found = await readTorch(`
import copy, enum
class Kind(enum.Enum):
    WIDE = 8
    NARROW = 4
class Net(nn.Module):
    def __init__(self, kind=Kind.WIDE):
        super().__init__()
        same = [copy.deepcopy(kind) is Kind.WIDE, copy.copy(kind) == Kind.WIDE, copy.deepcopy([kind])[0] is kind]
        self.fc = nn.Linear(kind.value, sum(same))
class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net(Kind.WIDE)
`);
    assert.deepEqual(problems(found), []);
    assert.deepEqual(layersOf(modelNamed(found, "Net")), ["fc Linear(8, 3)"]);
    assert.deepEqual(layersOf(modelNamed(found, "Whole")), ["net.fc Linear(8, 3)"]);
  });
});
