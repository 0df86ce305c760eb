(function () {
  "use strict";
  // What a reader chose is in the address, so that a copied link shows the same:
  // #place&sort.KEY=2d&find.KEY=words&theme=dark
  var state = new Map();
  var place = "";
  function read() {
    var parts = location.hash.slice(1).split("&");
    place = parts.shift();
    state = new Map(parts.map(function (part) {
      var cut = part.indexOf("=");
      return [part.slice(0, cut), decodeURIComponent(part.slice(cut + 1))];
    }));
  }
  function keep(name, value) {
    if (value) { state.set(name, value); } else { state.delete(name); }
    var words = Array.from(state, function (pair) { return pair[0] + "=" + encodeURIComponent(pair[1]); });
    history.replaceState(null, "", "#" + [place].concat(words).join("&"));
  }
  read();
  window.cortexscopePage = { keep: keep, get: function (name) { return state.get(name) || ""; } };

  function number(cell) {
    var text = cell.title || cell.textContent;
    var value = parseFloat(text.replace("\u2212", "-"));
    return Number.isNaN(value) ? null : value;
  }
  function sorted(table, column, falling) {
    var body = table.tBodies[0], heads = Array.from(table.tHead.rows[0].cells);
    var numeric = heads[column].classList.contains("number");
    var rows = Array.from(body.rows).map(function (row) {
      var cell = row.cells[column];
      return { row: row, value: numeric ? number(cell) : cell.textContent.toLocaleLowerCase() };
    });
    rows.sort(function (a, b) {
      // What is undefined stays last.
      if (a.value === null || b.value === null) { return (a.value === null) - (b.value === null); }
      var order = numeric ? a.value - b.value : a.value.localeCompare(b.value);
      return falling ? -order : order;
    });
    rows.forEach(function (own) { body.append(own.row); });
    heads.forEach(function (head, at) {
      head.setAttribute("aria-sort", at !== column ? "none" : falling ? "descending" : "ascending");
    });
  }
  document.querySelectorAll("table[data-key]").forEach(function (table) {
    var key = table.dataset.key, rows = Array.from(table.tBodies[0].rows);
    if (rows.length < 3) { return; }
    Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
      var button = document.createElement("button");
      button.append(...head.childNodes);
      button.title = "Sort by this column";
      head.append(button);
      button.addEventListener("click", function () {
        // Numbers are first asked for from the largest.
        var now = head.getAttribute("aria-sort");
        var first = head.classList.contains("number");
        var falling = now === "descending" ? false : now === "ascending" ? true : first;
        sorted(table, column, falling);
        keep("sort." + key, column + (falling ? "d" : "a"));
      });
    });
    var chosen = /^(\d+)([ad])$/.exec(state.get("sort." + key) || "");
    if (chosen && table.tHead.rows[0].cells[+chosen[1]]) { sorted(table, +chosen[1], chosen[2] === "d"); }

    var empty = rows.filter(function (row) { return row.classList.contains("empty"); });
    if (rows.length < 9 && !empty.length) { return; }
    var bar = document.createElement("div"), count = document.createElement("span");
    var find = document.createElement("input"), open = document.createElement("input");
    bar.className = "tools";
    find.type = "search";
    find.placeholder = "Find rows";
    find.setAttribute("aria-label", "Find rows of this table");
    find.value = state.get("find." + key) || "";
    open.type = "checkbox";
    open.checked = state.get("empty." + key) === "shown";
    count.setAttribute("role", "status");
    bar.append(find);
    if (empty.length) {
      var label = document.createElement("label");
      label.append(open, " rows without a value (" + empty.length + ")");
      bar.append(label);
    }
    bar.append(count);
    table.parentElement.before(bar);
    function filter() {
      var words = find.value.toLocaleLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      rows.forEach(function (row) {
        var text = row.textContent.toLocaleLowerCase();
        var found = words.every(function (word) { return text.includes(word); });
        row.hidden = !found || (!open.checked && row.classList.contains("empty"));
        shown += !row.hidden;
      });
      count.textContent = shown === rows.length ? "" : shown + " of " + rows.length + " rows";
    }
    find.addEventListener("input", function () { filter(); keep("find." + key, find.value); });
    open.addEventListener("change", function () { filter(); keep("empty." + key, open.checked ? "shown" : ""); });
    filter();
  });

  function themed(theme) {
    if (theme) { document.documentElement.dataset.theme = theme; } else { delete document.documentElement.dataset.theme; }
    document.dispatchEvent(new Event("theme"));
  }
  var dark = document.getElementById("theme");
  if (state.get("theme")) { themed(state.get("theme")); }
  dark.hidden = false;
  dark.addEventListener("click", function () {
    var now = state.get("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    var next = now === "dark" ? "light" : "dark";
    keep("theme", next);
    themed(next);
  });

  // On paper nothing can be unfolded; what stands behind a figure stays with it.
  var opened = [];
  function unfold() {
    document.querySelectorAll("details:not(.numbers):not([open])").forEach(function (fold) {
      fold.open = true;
      opened.push(fold);
    });
  }
  addEventListener("beforeprint", unfold);
  matchMedia("print").addEventListener("change", function (now) { if (now.matches) { unfold(); } });
  addEventListener("afterprint", function () {
    opened.splice(0).forEach(function (fold) { fold.open = false; });
  });

  function go() {
    var target = place && document.getElementById(place);
    if (!target) { return; }
    for (var fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) { fold.open = true; }
    if (target.tagName === "DETAILS") { target.open = true; }
    target.scrollIntoView();
  }
  // A link within the page changes the place and keeps what was chosen.
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[href^='#']");
    if (!link) { return; }
    event.preventDefault();
    place = link.getAttribute("href").slice(1);
    history.pushState(null, "", "#" + [place].concat(Array.from(state, function (pair) {
      return pair[0] + "=" + encodeURIComponent(pair[1]);
    })).join("&"));
    go();
  });
  addEventListener("popstate", function () { read(); go(); });
  go();
})();
