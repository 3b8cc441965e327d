// The page of live events: rows are added as the stream brings them, and the oldest go, so
// that the page stays small. Paused or unseen, it holds no connection; it goes on where it was.
"use strict";

(() => {
  const card = document.querySelector("[data-tail]");
  const rows = card.querySelector("tbody");
  const blank = card.querySelector("template");
  const told = document.querySelector("[data-tail-told]");
  const button = document.querySelector("[data-tail-pause]");
  const MOST_ROWS = 200;
  const KNOWN = 2000;
  const LONGEST = 1800; // an address may not be endless
  const known = new Set([...rows.children].map((row) => row.dataset.id));
  let source = null;
  let after = "";
  let seen = 0; // when the last message came
  let missed = 0;
  let problem = "";
  let paused = false;
  if (!card.dataset.tail) return;

  function say() {
    const parts = [`${rows.children.length} shown`];
    if (missed) parts.push(`${missed.toLocaleString()} more came faster than this page shows them`);
    if (problem) parts.push(problem);
    parts.push(paused ? "Paused" : source?.readyState === EventSource.OPEN ? "Following" : "Reconnecting");
    told.textContent = `${parts.join(". ")}.`;
  }
  function clip(text, most) { return text.length > most ? `${text.slice(0, most)}…` : text; }
  function add(event) {
    const id = `${event.source} ${event.id}`;
    if (known.has(id)) return;
    known.add(id);
    if (known.size > KNOWN) known.delete(known.values().next().value);
    const row = blank.content.firstElementChild.cloneNode(true);
    row.dataset.id = id;
    const [type, time, subject, key, data] = row.children;
    type.firstElementChild.textContent = event.type;
    type.firstElementChild.href = `/events/${encodeURIComponent(event.id)}`;
    time.firstElementChild.dateTime = event.time;
    time.firstElementChild.textContent = new Date(event.time).toLocaleTimeString();
    subject.textContent = clip(event.subject ?? "", 60);
    key.textContent = clip(event.partitionkey ?? "", 60);
    data.firstElementChild.textContent = clip(event.data === undefined ? "" : JSON.stringify(event.data), 150);
    rows.prepend(row);
    while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
    card.querySelector("[data-tail-empty]").hidden = true;
  }
  function address() {
    const url = new URL(card.dataset.tail, location.href);
    if (after && after.length < LONGEST) url.searchParams.set("after", after);
    else if (after) url.searchParams.set("since", String(Math.max(0, seen - 5000)));
    return url;
  }
  function connect() {
    source?.close();
    source = new EventSource(address());
    const heard = (message) => { after = message.lastEventId || after; seen = Date.now(); };
    source.onopen = say;
    source.addEventListener("event", (message) => { heard(message); add(JSON.parse(message.data)); say(); });
    source.addEventListener("missed", (message) => { heard(message); missed += JSON.parse(message.data).missed; say(); });
    source.addEventListener("failed", (message) => {
      heard(message);
      const { failed, problem: why } = JSON.parse(message.data);
      problem = `The expression fails on ${failed} events: ${clip(why, 200)}`;
      say();
    });
    source.onerror = () => {
      say();
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!paused && !document.hidden) connect(); }, 5000);
    };
  }
  button.hidden = false;
  document.querySelector("[data-tail-again]").hidden = true;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.querySelector("span").textContent = paused ? "Go on" : "Pause";
    button.querySelector("use").setAttribute("href", paused ? "#i-play" : "#i-pause");
    if (paused) source?.close(); else connect();
    say();
  });
  document.addEventListener("visibilitychange", () => {
    if (paused) return;
    if (document.hidden) source?.close(); else connect();
  });
  addEventListener("pagehide", () => source?.close());
  connect();
})();
