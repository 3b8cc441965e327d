// The palette and the keys: shortcuts to what links, forms and /search do without them.
// Ctrl or Cmd-K opens it on every page; it lists what this page offers to do, the
// pages, and what the server finds. Single keys can be turned off (WCAG 2.1.4).
"use strict";

(() => {
  const palette = document.getElementById("palette");
  const help = document.getElementById("keys");
  const field = palette.querySelector("input");
  const list = palette.querySelector("ul");
  const status = palette.querySelector("[role=status]");
  const keysOn = help.querySelector("[data-keys-on]");
  const KEEPS = "keys"; // "off" in the browser's storage where somebody turned single keys off
  const pages = [...document.querySelectorAll("[data-go]")].map((a) => (
    { kind: "page", title: a.firstChild.textContent.trim(), href: a.getAttribute("href"), key: a.dataset.go }));
  let shown = [];
  let chosen = 0;
  let asking = null;
  let timer = null;

  // What this page offers: its own buttons and links, and those of the header.
  function offered() {
    const controls = [...document.querySelectorAll(".head .actions a, .head .actions summary, .head .actions button, .tools .bare")];
    return controls
      .filter((control) => !control.closest(".panel.wide") && !control.hidden)
      .map((control) => ({ kind: "action", title: control.getAttribute("aria-label") || control.textContent.trim(), control }))
      .filter((one) => one.title);
  }
  function fits(title, words) {
    const text = title.toLowerCase();
    return words.every((word) => text.includes(word));
  }
  function here(q) {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return [...offered(), ...pages].filter((one) => fits(one.title, words)).slice(0, q ? 6 : 30);
  }
  function draw(items, before = null) {
    shown = items;
    // What was chosen stays so when the server's answer comes.
    chosen = Math.max(0, items.findIndex((one) => before && one.title === before.title && one.href === before.href && one.control === before.control));
    list.replaceChildren(...items.map((item, number) => {
      const row = document.createElement("li");
      row.id = `palette-${number}`;
      row.setAttribute("role", "option");
      const title = document.createElement("span");
      title.textContent = item.title.length > 90 ? `${item.title.slice(0, 90)}…` : item.title;
      const what = document.createElement("span");
      what.className = "what";
      what.textContent = item.key ? `g ${item.key}` : item.kind.replace("-", " ");
      row.append(title, what);
      const told = [item.about, item.id !== item.title && item.href && !["page", "action"].includes(item.kind) ? item.id : ""].filter(Boolean).join(" · ");
      if (told) {
        const about = document.createElement("span");
        about.className = "meta";
        about.textContent = told.slice(0, 200);
        row.append(about);
      }
      row.addEventListener("click", () => go(item));
      return row;
    }));
    mark();
  }
  function mark() {
    [...list.children].forEach((row, number) => row.setAttribute("aria-selected", String(number === chosen)));
    const row = list.children[chosen];
    if (row) { field.setAttribute("aria-activedescendant", row.id); row.scrollIntoView({ block: "nearest" }); }
    else field.removeAttribute("aria-activedescendant");
  }
  function go(item) {
    palette.close();
    if (item.href) { location.assign(item.href); return; }
    if (item.control.matches(".panel .bare")) item.control.closest("details").open = true;
    item.control.focus();
    item.control.click();
  }
  async function ask() {
    const q = field.value.trim();
    asking?.abort();
    if (!q) { status.textContent = ""; return; }
    asking = new AbortController();
    try {
      const answer = await fetch(`/api/v1/search?${new URLSearchParams({ q })}`, { signal: asking.signal });
      if (answer.status === 401) { location.reload(); return; }
      const told = await answer.json();
      if (!answer.ok) { status.textContent = told.detail; return; }
      const near = here(q);
      const known = new Set(near.map((one) => one.href));
      draw([...near, ...told.items.filter((one) => !known.has(one.href))], shown[chosen]);
      status.textContent = told.unasked.map((one) => `Not asked: ${one}`).join(" ") || (shown.length ? `${shown.length} found` : "Nothing has this id or name. Enter looks further.");
    } catch (error) {
      if (error.name !== "AbortError") status.textContent = "The server does not answer.";
    }
  }
  function open() {
    if (palette.open) return;
    help.close();
    clearTimeout(timer); // what was asked before it was closed is answered to nobody
    asking?.abort();
    field.value = "";
    status.textContent = "";
    draw(here(""));
    palette.showModal();
    field.focus();
  }
  field.addEventListener("input", () => {
    draw(here(field.value.trim()));
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      event.preventDefault();
      chosen = (chosen + step + shown.length) % shown.length;
      mark();
    }
    // A field for searches would only be emptied by it.
    if (event.key === "Escape") { event.preventDefault(); palette.close(); }
    if (event.key === "Enter" && shown[chosen]) { event.preventDefault(); go(shown[chosen]); }
  });
  for (const dialog of [palette, help]) {
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  // Keys. Those of one letter only while nothing is written, and only where they are on.
  keysOn.checked = localStorage.getItem(KEEPS) !== "off";
  keysOn.addEventListener("change", () => localStorage.setItem(KEEPS, keysOn.checked ? "on" : "off"));
  const opener = document.querySelector("[data-keys-open]");
  opener.hidden = false;
  opener.addEventListener("click", () => help.showModal());
  const hint = document.querySelector("[data-palette-hint]");
  hint.hidden = false;
  if (/Mac|iPhone|iPad/.test(navigator.platform)) hint.textContent = "⌘ K";
  let went = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
      return;
    }
    const writing = event.target.closest("input, select, textarea, [contenteditable]");
    if (!keysOn.checked || writing || palette.open || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Date.now() - went < 1500 && pages.find((one) => one.key === event.key);
    went = event.key === "g" && !page ? Date.now() : 0;
    if (page) { event.preventDefault(); location.assign(page.href); }
    else if (event.key === "/") { event.preventDefault(); document.getElementById("find").focus(); }
    else if (event.key === "?") { event.preventDefault(); help.showModal(); }
  });
})();
