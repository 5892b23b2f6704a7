import { TestWindow } from "../harness";

describe("outside: code lenses", () => {
  let window: TestWindow;
  before(async function () {
    this.timeout(180_000);
    window = await TestWindow.open({ file: "digits/model.py" });
  });
  after(() => window?.close());

  it("appear above layers", async function () {
    this.timeout(90_000);
    await window.lenses("LoRA r=8").first().waitFor();
    await window.screenshot("lenses");
  });
});
