// The console's one script. Everything works without it; with it, pages stay
// current: one EventSource says what changed, the page is fetched again, and the
// fragments that show it are replaced, unless somebody is busy in them.
"use strict";

const fragments = () => [...document.querySelectorAll("[data-live]")];
const light = document.querySelector("[data-live-state]");
const pauseButton = document.querySelector("[data-live-pause]");
const notice = document.querySelector("[data-live-lost]");
// Longer than the server keeps an answer, so that a refresh never shows what was before it; and not
// the same for everybody, so that many consoles don't ask at one instant.
const SOON = 1100;
const SPREAD = 700;
const REST = 1500;
// Between two refreshes: longer where the server is slow or has no room.
let rest = REST;
let paused = sessionStorage.getItem("live") === "paused";
let source = null;
let timer = null;
let fetching = false;
let last = Date.now();
const changed = new Set();

// Times: the server writes UTC, the viewer reads their own zone.
const zone = { hour: "2-digit", minute: "2-digit", hour12: false };
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
function relative(seconds) {
  const size = Math.abs(seconds);
  if (size < 2) return "now";
  const [unit, word] = size >= 86400 ? [86400, "d"] : size >= 3600 ? [3600, "h"] : size >= 60 ? [60, "min"] : [1, "s"];
  const text = `${Math.floor(size / unit)} ${word}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}
function clockText(date, kind) {
  if (kind === "hour") return date.toLocaleTimeString([], zone);
  const time = date.toLocaleTimeString([], { ...zone, second: "2-digit" });
  const sameDay = date.toDateString() === new Date().toDateString();
  return sameDay ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}
function writeTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const kind = element.dataset.as;
    element.textContent = kind === "ago" ? relative((Date.now() - date) / 1000) : clockText(date, kind);
    if (kind !== "hour") element.title = full.format(date);
  }
}

// A fragment is left alone while it is focused, selected in, or has a choice made in it.
function busy(element) {
  const active = document.activeElement;
  if (active && active !== document.body && element.contains(active)) return true;
  if (element.querySelector("input:checked[data-choice], details.drop[open]")) return true;
  const selection = getSelection();
  return Boolean(selection && !selection.isCollapsed && selection.rangeCount && selection.getRangeAt(0).intersectsNode(element));
}
function replace(element, fresh) {
  if (element.innerHTML === fresh.innerHTML) return;
  const open = [...element.querySelectorAll("details[open]")].map((d) => d.dataset.key);
  element.replaceChildren(...fresh.childNodes);
  for (const details of element.querySelectorAll("details[data-key]")) {
    if (open.includes(details.dataset.key)) details.open = true;
  }
  writeTimes(element);
  for (const box of element.querySelectorAll("[data-all]")) box.hidden = false;
}
async function refresh() {
  timer = null;
  if (paused || fetching) return;
  if (document.hidden) return;
  const wanted = fragments().filter((f) => f.dataset.live.split(" ").some((name) => changed.has(name) || changed.has("all")));
  changed.clear();
  if (!wanted.length) return;
  fetching = true;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Fragment": wanted.map((f) => f.id).join(" ") } });
    if (answer.redirected || answer.status === 401) { location.reload(); return; }
    if (answer.status === 503) {
      for (const fragment of wanted) for (const name of fragment.dataset.live.split(" ")) changed.add(name);
      rest = Math.min(2 * rest, 30000);
    }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    rest = Math.max(REST, 10 * (Date.now() - last));
    for (const element of wanted) {
      const fresh = page.getElementById(element.id);
      if (fresh && !busy(element)) replace(element, document.importNode(fresh, true));
    }
  } catch {
    show("lost");
  } finally {
    fetching = false;
    if (changed.size) plan();
  }
}
function plan() {
  if (timer || paused) return;
  timer = setTimeout(refresh, Math.max(SOON, rest - (Date.now() - last)) + SPREAD * Math.random());
}
function show(state) {
  if (!light) return;
  light.dataset.state = state;
  light.textContent = { live: "Live", lost: "Reconnecting", paused: "Paused", wait: "Connecting" }[state];
  if (notice) notice.hidden = state !== "lost";
}
function connect() {
  if (!light) return;
  source?.close();
  source = new EventSource("/live");
  source.onopen = () => {
    if (light.dataset.state === "lost") { changed.add("all"); plan(); }
    show("live");
  };
  source.onmessage = (message) => { for (const name of message.data.split(" ")) changed.add(name); plan(); };
  source.onerror = () => {
    show("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!paused && !document.hidden) connect(); }, 5000);
  };
}
function setPaused(value) {
  paused = value;
  sessionStorage.setItem("live", value ? "paused" : "on");
  pauseButton.setAttribute("aria-pressed", String(value));
  pauseButton.setAttribute("aria-label", value ? "Resume live updates" : "Pause live updates");
  pauseButton.querySelector("use").setAttribute("href", value ? "#i-play" : "#i-pause");
  if (value) { source?.close(); show("paused"); } else { show("wait"); changed.add("all"); plan(); connect(); }
}

document.querySelector(".nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
writeTimes();
setInterval(writeTimes, 10000);
if (pauseButton) {
  pauseButton.hidden = false;
  pauseButton.addEventListener("click", () => setPaused(!paused));
  if (paused) setPaused(true); else { show("wait"); connect(); }
  setInterval(() => { changed.add("clock"); plan(); }, 10000);
  // A page that nobody sees holds no connection: browsers have six for all their pages here.
  document.addEventListener("visibilitychange", () => {
    if (paused) return;
    if (document.hidden) { source?.close(); show("wait"); return; }
    changed.add("all");
    plan();
    connect();
  });
  addEventListener("pagehide", () => source?.close());
}
// Gone back to, a page that the browser kept alive would show what was before one's own change.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// A search that has found nothing so far goes on by itself, until somebody does something else.
const further = document.querySelector("[data-further]");
if (further) {
  const going = setTimeout(() => location.replace(further.href), 250);
  for (const what of ["pointerdown", "keydown"]) addEventListener(what, () => clearTimeout(going), { once: true });
}

// Conveniences: close menus, tick all rows, say where a slider stands, send a filter when it is chosen.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.drop[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.drop[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
});
for (const box of document.querySelectorAll("[data-all]")) box.hidden = false;
for (const chosen of document.querySelectorAll("[data-chosen]")) {
  const slider = chosen.closest("label").querySelector("input");
  const say = () => { chosen.textContent = `: ${slider.value}`; };
  chosen.hidden = false;
  say();
  slider.addEventListener("input", say);
}
document.addEventListener("change", (event) => {
  const target = event.target;
  if (target.matches("[data-all]")) for (const box of target.form.elements) if (box.matches("input[data-choice]")) box.checked = target.checked;
  if (target.matches("[data-submit]")) target.form.requestSubmit();
});
