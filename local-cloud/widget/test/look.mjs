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
      // What is safe and whether to act is on the first screen.
      const act = page.getByText("Must I act?");
      assert.ok((await act.boundingBox()).y < 600, `${where}: the first screen`);
      if (folder && theme === "light") {
        await writeFile(`${folder}/${scene}-${width}.png`, shrink(await page.screenshot({ fullPage: true })));
      }
      await page.context().close();
    }
  }
  console.log(`${scene}: seen at 3 widths in 2 themes`);
});
