// Plays CloudWatch's part for one custom widget: calls the function with the
// viewer's context, strips what CloudWatch strips, and carries out cwdb-action.
"use strict";
(() => {
  const { rollout, view, command, account, refreshMs } = document.body.dataset;
  const widget = document.getElementById("widget");
  const told = document.getElementById("told");
  const params = { widget: { rollout }, commandFunction: command };
  const asked = new URLSearchParams(location.search).get("theme");
  const dark = asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = dark ? "dark" : "light";
  document.body.classList.toggle("dark", dark);

  const STRIPPED = "script, iframe, frame, object, embed, link, meta, base, use";

  /** What CloudWatch lets through, as nodes. */
  function stripped(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    parsed.querySelectorAll(STRIPPED).forEach((element) => element.remove());
    for (const element of parsed.querySelectorAll("*")) {
      for (const { name, value } of [...element.attributes]) {
        const runs = name.startsWith("on") || /^\s*javascript:/i.test(value);
        if (runs) element.removeAttribute(name);
      }
    }
    // The parser moves a leading <style> into the head.
    return [...parsed.head.childNodes, ...parsed.body.childNodes];
  }

  function forms() {
    const all = {};
    for (const field of widget.querySelectorAll("input[name], textarea[name], select[name]")) {
      all[field.name] = field.value;
    }
    return { all };
  }

  function context() {
    const end = Date.now();
    return {
      dashboardName: "local-cloud", widgetId: "widget-1", accountId: account, locale: "en",
      timezone: { label: "UTC", offsetISO: "+00:00", offsetInMinutes: 0 },
      period: 300, isAutoPeriod: true,
      timeRange: { mode: "relative", start: end - 10_800_000, end, relativeStart: 10_800_000 },
      theme, linkCharts: true, title: rollout, forms: forms(), params,
      width: widget.clientWidth, height: innerHeight,
    };
  }

  async function call(endpoint, event) {
    const response = await fetch("/_local/widget-call", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ endpoint, event: { ...event, widgetContext: context() } }),
    });
    const answer = await response.json();
    if (answer.error) throw new Error(answer.error);
    return answer.answer;
  }

  /** Shows a function's answer: HTML, or anything else as formatted JSON. */
  function show(answer, where) {
    if (typeof answer === "string") {
      where.replaceChildren(...stripped(answer));
    } else {
      const text = document.createElement("pre");
      text.textContent = JSON.stringify(answer, null, 2);
      where.replaceChildren(text);
    }
    for (const action of where.querySelectorAll("cwdb-action")) wire(action);
  }

  /** A modal; resolves with the value of the button that closed it. */
  function ask(dialog) {
    return new Promise((resolve) => {
      const done = (value) => { dialog.close(); resolve(value); };
      dialog.onclick = ({ target }) => target.parentElement === dialog && target.value && done(target.value);
      dialog.oncancel = () => resolve("no");
      dialog.showModal();
    });
  }

  async function confirmed(text) {
    const dialog = document.getElementById("confirm");
    dialog.querySelector("p").textContent = text;
    return (await ask(dialog)) === "yes";
  }

  function popup(answer) {
    const dialog = document.getElementById("popup");
    show(answer, dialog.querySelector("div"));
    ask(dialog);
  }

  /** cwdb-action acts on the element right before it. */
  function wire(action) {
    const target = action.previousElementSibling;
    if (!target) return;
    const attribute = (name, otherwise) => action.getAttribute(name) ?? otherwise;
    target.addEventListener(attribute("event", "click"), async () => {
      const question = attribute("confirmation", "");
      if (question && !(await confirmed(question))) return;
      let answer = action.innerHTML;
      if (attribute("action", "html") === "call") {
        try {
          busy = true;
          answer = await call(attribute("endpoint"), JSON.parse(action.textContent || "{}"));
        } catch (error) {
          told.textContent = `The call failed: ${error.message}`;
          return;
        } finally {
          busy = false;
        }
      }
      if (attribute("display", "widget") === "popup") {
        popup(answer);
      } else {
        // Back at the page, or at the answer to a press, which stays until left.
        live = attribute("endpoint") === view;
        last = answer;
        show(answer, widget);
      }
    });
  }

  let live = true;
  let busy = false;
  let last = null;

  async function refresh() {
    // Asked again when the answer is there: a person may have begun to type meanwhile.
    const occupied = () =>
      widget.contains(document.activeElement) || Object.values(forms().all).some(Boolean) ||
      document.querySelector("dialog[open]");
    if (!live || busy || occupied()) return;
    try {
      const answer = await call(view, params);
      if (live && !busy && !occupied() && answer !== last) {
        last = answer;
        show(answer, widget);
      }
      told.textContent = "";
    } catch (error) {
      told.textContent = `Not refreshed: ${error.message}`;
    }
  }

  async function live_on() {
    await refresh();
    setTimeout(live_on, Number(refreshMs));
  }
  live_on();
})();
