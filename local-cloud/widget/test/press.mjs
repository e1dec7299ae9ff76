// node press.mjs ADDRESS: presses every button as a person does, with keyboard
// and mouse, at a rollout that advances.
import assert from "node:assert/strict";
import { accessibility, open, withBrowser } from "./browser.mjs";

const [address] = process.argv.slice(2);
const HOSTILE = "Ada <img src=x onerror=globalThis.hacked=1>";

await withBrowser(async (browser) => {
  const { page, problems } = await open(browser, address, { width: 800 });
  const widget = page.locator("#widget");
  const button = (name) => widget.getByRole("button", { name, exact: true });
  const confirm = page.getByRole("dialog", { name: "Confirmation" });
  const shows = async (text) => {
    // Not the hover texts of charts, which say the same and are not seen.
    const found = widget.getByText(text).filter({ visible: true }).first().waitFor();
    await found.catch(async () => assert.fail(`"${text}" is not in\n${await widget.innerText()}`));
  };
  const answer = async (name, choice, expected) => {
    await button(name).click();
    assert.match(await confirm.innerText(), expected);
    await confirm.getByRole("button", { name: choice }).click();
  };

  await shows("Serving safely");
  // Two more people look: one only watches, one has begun to type.
  const watching = await open(browser, address, { width: 800, refreshMs: 200 });
  const typing = await open(browser, address, { width: 800, refreshMs: 200 });
  await typing.page.getByLabel("Reason").fill("half a sent");
  // Saying no does nothing.
  await answer("Pause at 10%", "No", /Pause 'score' at 10%\? .* revision \d+/);
  await shows("Serving safely");
  await widget.getByLabel("Your name").fill(HOSTILE);
  await widget.getByLabel("Reason").fill("noise on P99");
  // By keyboard alone.
  await button("Pause at 10%").focus();
  await page.keyboard.press("Enter");
  await confirm.getByRole("button", { name: "Yes" }).press("Enter");
  await shows("Paused at 10%. Protection stays on.");
  await shows("public 10%, read back");
  assert.deepEqual(await accessibility(page).then((found) => found.filter((text) => !text.includes("svg-img-alt"))), []);

  await button("Back to the rollout").click();
  await shows("score, run 1, paused");
  await shows("Serving safely, paused. Rust stays at 10%");
  // It shows by itself where nobody types; where somebody does, nothing is lost.
  await watching.page.getByText("score, run 1, paused").waitFor();
  assert.equal(await typing.page.getByLabel("Reason").inputValue(), "half a sent");
  assert.equal(await typing.page.getByText("score, run 1, paused").count(), 0);
  await typing.page.getByLabel("Reason").fill("");
  await typing.page.getByLabel("Reason").blur();
  await typing.page.getByText("score, run 1, paused").waitFor();
  assert.deepEqual([...watching.problems, ...typing.problems], []);
  await shows(`${HOSTILE} (name as typed) paused: "noise on P99"`);
  assert.equal(await widget.locator("img, script").count(), 0);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);

  // Going on needs a reason; the answer says so and leads back.
  await answer("Resume", "Yes", /Resume 'score'/);
  await shows("Not resumed: a reason is needed");
  await button("Back to the rollout").click();
  await widget.getByLabel("Reason").fill("quiet again");
  await answer("Resume", "Yes", /Resume 'score'/);
  await shows("Resumed at 10%.");
  await button("Back to the rollout").click();

  // Nothing need be typed to be safe.
  await answer("Roll back to 0%", "Yes", /Roll back 'score'\? All traffic goes to Python/);
  await shows("Rolled back. All traffic is on Python.");
  await shows("public 0%, read back");
  await button("Back to the rollout").click();
  await shows("all traffic is on Python.");
  assert.equal(await button("Roll back to 0%").count(), 0);
  assert.deepEqual(problems, []);

  console.log("every button pressed");
});
