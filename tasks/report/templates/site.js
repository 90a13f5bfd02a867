"use strict";
// Search, sorting and filters of the index. Everything is read from the table itself, which is complete
// without this script; what is chosen stands in the address, so that it can be shared.
(() => {
  const table = document.getElementById("index");
  if (!table) return;
  const form = document.getElementById("filters");
  const shown = document.getElementById("shown");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const KEYS = ["obsid", "class", "state", "target", "date", "exposure", "reason"];
  const URGENT = ["failed", "running", "waiting", "skipped", "done"];
  const text = (node) => (node ? node.textContent.trim() : "");
  const lines = [...body.rows].map((row, place) => {
    const cells = row.cells;
    const notes = [...cells[6].getElementsByTagName("small")];
    const line = {
      row, place,
      obsid: text(cells[0]), class: text(cells[1]),
      state: text(cells[2].firstElementChild), kind: text(cells[2].children[1]),
      target: text(cells[3]), date: text(cells[4]), exposure: Number(text(cells[5])) || 0,
      reason: text(cells[6].querySelector("span")),
      severe: notes.some((note) => note.className === "severe"),
      cautions: notes.flatMap((note) => text(note).replace(/^\w+: /, "").split(", ")),
    };
    line.all = row.textContent.toLowerCase();
    line.name = line.target.toLowerCase();
    return line;
  });
  let order = null;

  const chosen = () => {
    const given = {};
    for (const [name, value] of new FormData(form)) if (value.trim()) given[name] = value.trim();
    return given;
  };

  const fits = (given) => {
    const words = (given.q || "").toLowerCase().split(/\s+/).filter(Boolean);
    const target = (given.target || "").toLowerCase();
    return (line) =>
      words.every((word) => line.all.includes(word)) &&
      (!given.state || line.state === given.state) &&
      (!given.kind || line.kind === given.kind) &&
      (!given.class || line.class === given.class) &&
      (!target || line.name.includes(target)) &&
      (!given.since || (line.date !== "" && line.date >= given.since)) &&
      (!given.until || (line.date !== "" && line.date <= given.until)) &&
      (!given.caution ||
        (given.caution === "any-severe" ? line.severe
          : given.caution === "none" ? !line.cautions.length
            : line.cautions.includes(given.caution)));
  };

  const filter = () => {
    const test = fits(chosen());
    let number = 0;
    for (const line of lines) {
      const out = !test(line);
      if (line.row.hidden !== out) line.row.hidden = out;
      if (!out) number += 1;
    }
    shown.textContent = `${number} of ${lines.length} lines`;
  };

  const compare = (key) => (a, b) => {
    if (key === "exposure") return a.exposure - b.exposure;
    if (key === "state") return URGENT.indexOf(a.state) - URGENT.indexOf(b.state) || a.kind.localeCompare(b.kind);
    // What is not known comes last whichever way it goes.
    if (!a[key] || !b[key]) return 0;
    return a[key].localeCompare(b[key], "en", { numeric: key === "target" });
  };

  const arrange = (wanted) => {
    if (wanted && order && wanted.key === order.key && wanted.down === order.down) return;
    if (!wanted && !order) return;
    order = wanted;
    const sorted = [...lines];
    if (order) {
      const by = compare(order.key), sign = order.down ? -1 : 1;
      const empty = (line) => (order.key !== "exposure" && order.key !== "state" && !line[order.key] ? 1 : 0);
      sorted.sort((a, b) => empty(a) - empty(b) || sign * by(a, b) || a.place - b.place);
    }
    const all = document.createDocumentFragment();
    for (const line of sorted) all.append(line.row);
    body.append(all);
    heads.forEach((head, column) => {
      if (order && KEYS[column] === order.key) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };

  const remember = () => {
    const given = new URLSearchParams(chosen());
    if (order) given.set("sort", (order.down ? "-" : "") + order.key);
    const hash = given.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  const recall = () => {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return; // a place on the page
    const given = new URLSearchParams(hash);
    for (const field of form.elements) if (field.name) field.value = given.get(field.name) || "";
    const sort = given.get("sort") || "";
    const key = sort.replace(/^-/, "");
    arrange(KEYS.includes(key) ? { key, down: sort.startsWith("-") } : null);
    filter();
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const key = KEYS[column];
      arrange({ key, down: Boolean(order && order.key === key && !order.down) });
      remember();
    });
    head.replaceChildren(button);
  });
  let pending = 0;
  form.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(() => { filter(); remember(); }, 80);
  });
  form.addEventListener("reset", () => setTimeout(() => { arrange(null); filter(); remember(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", recall);
  form.hidden = shown.hidden = false;
  table.classList.add("live");
  recall();
  // On a narrow screen the filters stay folded until they are wanted.
  const filtered = Object.keys(chosen()).some((name) => name !== "q");
  if (matchMedia("(max-width: 45rem)").matches && !filtered) form.querySelector("details").open = false;
  document.documentElement.dataset.ready = "yes";
})();
