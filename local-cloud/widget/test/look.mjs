// node look.mjs ADDRESS SCENE TEXT…: the page at every width, light and dark.
// With SCREENSHOTS=FOLDER it also leaves SCENE-WIDTH.png there.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { accessibility, open, overflows, withBrowser } from "./browser.mjs";
import { shrink } from "./png.mjs";

const [address, scene, ...texts] = process.argv.slice(2);
const folder = process.env.SCREENSHOTS;

await withBrowser(async (browser) => {
  for (const width of [320, 800, 1600]) {
    for (const theme of ["light", "dark"]) {
      const { page, problems } = await open(browser, address, { width, theme });
      const where = `${scene} at ${width}, ${theme}`;
      const shown = await page.locator("#widget").innerText();
      for (const text of texts) assert.ok(shown.includes(text), `${where}: "${text}" is not in\n${shown}`);
      assert.deepEqual(await overflows(page), [], `${where}: wider than the widget`);
      assert.deepEqual(await accessibility(page), [], where);
      assert.deepEqual(problems, [], where);
      // Health, reason and what to do are on the first screen.
      const facts = await page.locator("#widget .facts").boundingBox();
      assert.ok(facts.y < (width < 600 ? 560 : 330), `${where}: the first screen ends at ${facts.y}`);
      // Every chart says in words what it shows, and has places to point at.
      for (const chart of await page.locator("#widget svg.chart").all()) {
        assert.ok((await chart.getAttribute("aria-label")).length > 30, `${where}: a chart without words`);
        assert.ok((await chart.locator("title").count()) > 3, `${where}: nothing to point at`);
        const box = await chart.boundingBox();
        assert.ok(box.width >= 250 && box.height >= 120, `${where}: a chart of ${box.width} by ${box.height}`);
      }
      // No empty halves: side by side, neither column ends far above the other's beginning.
      const halves = await page.locator("#widget .two > section").evaluateAll((all) =>
        all.map((one) => one.getBoundingClientRect()).map(({ width, height }) => ({ width, height })));
      for (const half of halves) assert.ok(half.height > 60 && half.width > 250, `${where}: an empty half`);
      if (folder && theme === "light") {
        await writeFile(`${folder}/${scene}-${width}.png`, shrink(await page.screenshot({ fullPage: true })));
      }
      await page.context().close();
    }
  }
  console.log(`${scene}: seen at 3 widths in 2 themes`);
});
