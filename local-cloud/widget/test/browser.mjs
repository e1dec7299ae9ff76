// One Chromium, pages that may not go wrong silently, and a check for axe.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const AXE = fileURLToPath(import.meta.resolve("axe-core/axe.min.js"));
// Chromium as root, without its own calls to the outside, and with grey edges of
// letters: coloured ones double the size of pictures.
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-lcd-text",
];

/** Runs `work` with a browser, and ends the browser whatever happens. */
export async function withBrowser(work) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
}

/** Opens the rollout's page; `problems` collects what the browser complains of. */
export async function open(browser, address, { width, height = 900, theme = "light", refreshMs = 3_600_000 }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(`script error: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  await page.goto(`${address}?theme=${theme}&refresh_ms=${refreshMs}`);
  await page.waitForSelector("#widget .rw");
  return { page, problems };
}

/** What is wrong for people who see less, or hear the page. */
export async function accessibility(page) {
  await page.evaluate(await readFile(AXE, "utf8"));
  const { violations, passes } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  );
  const looked = new Set(passes.map(({ id }) => id));
  const missed = ["color-contrast", "svg-img-alt"].filter(
    (id) => !looked.has(id) && !violations.some((violation) => violation.id === id),
  );
  return [
    ...missed.map((id) => `axe found nothing to check with ${id}`),
    ...violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`)),
  ];
}

/** Elements that are wider than the widget, or whose text is cut off. */
export function overflows(page) {
  return page.evaluate(() => {
    const widget = document.getElementById("widget");
    const edge = widget.getBoundingClientRect().right + 0.5;
    const wide = [...widget.querySelectorAll(".rw *")]
      .filter((element) => !element.closest("svg") || element.tagName === "svg")
      .filter((element) => element.getBoundingClientRect().right > edge || (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && element.tagName !== "INPUT"))
      .filter((element) => getComputedStyle(element).clipPath === "none" && !element.closest("thead"))
      .map((element) => `${element.tagName} ${element.textContent.slice(0, 40)}`);
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) wide.push(`the page: ${root.scrollWidth} of ${innerWidth}`);
    return wide;
  });
}
