(function () {
  "use strict";
  // Printed pages are wide even where the window is not.
  var narrow = matchMedia("screen and (max-width: 720px)");
  var plots = [], ready = false, watch = null;
  function unpacked(element) {
    var packed = Uint8Array.from(atob(element.textContent), function (c) { return c.charCodeAt(0); });
    var stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }
  function text(element) {
    return unpacked(element).then(function (made) { return new TextDecoder().decode(made); });
  }
  // All first bytes, then all second ones: see how numbers are packed.
  function numbers(element) {
    return unpacked(element).then(function (made) {
      var apart = new Uint8Array(made), count = apart.length / 4, whole = new Uint8Array(apart.length);
      for (var place = 0; place < apart.length; place++) {
        whole[4 * (place % count) + Math.floor(place / count)] = apart[place];
      }
      return new Float32Array(whole.buffer);
    });
  }
  function colours() {
    var style = getComputedStyle(document.documentElement);
    function read(name) { return style.getPropertyValue(name).trim(); }
    return { ink: read("--ink"), grid: read("--grid"), soft: read("--soft"), page: read("--page") };
  }
  function themed(spec) {
    var theme = colours();
    var layout = JSON.parse(JSON.stringify(narrow.matches ? spec.narrow : spec.wide));
    layout.font = Object.assign({}, layout.font, { color: theme.ink });
    layout.hoverlabel = Object.assign({}, layout.hoverlabel, {
      bgcolor: theme.page, bordercolor: theme.soft, font: { color: theme.ink }
    });
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: theme.soft, activecolor: theme.ink };
    Object.keys(layout).filter(function (key) { return /^[xy]axis\d*$/.test(key); }).forEach(function (key) {
      Object.assign(layout[key], {
        automargin: true, gridcolor: theme.grid, linecolor: theme.soft, zeroline: false
      });
    });
    return layout;
  }
  function draw(plot) {
    if (!ready || !plot.near || !plot.spec) { return; }
    var data = plot.spec.steps ? plot.spec.steps[plot.box.dataset.step || 0] : plot.spec.data;
    Plotly.react(plot.box, data, themed(plot.spec), {
      responsive: true, displaylogo: false,
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]]
    });
  }
  // A figure is drawn when it comes near, so that a long page opens as fast as a short one; what is
  // returned draws it anew.
  function figure(box) {
    var plot = { box: box, spec: null, near: false };
    plots.push(plot);
    if (watch) { watch.observe(box); }
    return function (spec) { plot.spec = spec; draw(plot); };
  }
  function redraw() { plots.forEach(draw); }
  function all() { plots.forEach(function (plot) { plot.near = true; draw(plot); }); }
  function begin() {
    ready = true;
    document.documentElement.classList.add("drawn");
    watch = new IntersectionObserver(function (entries) {
      entries.filter(function (entry) { return entry.isIntersecting; }).forEach(function (entry) {
        watch.unobserve(entry.target);
        var plot = plots.find(function (own) { return own.box === entry.target; });
        if (!plot.near) { plot.near = true; draw(plot); }
      });
    }, { rootMargin: "600px" });
    plots.forEach(function (plot) {
      watch.observe(plot.box);
      plot.box.addEventListener("step", function () { if (plot.near) { draw(plot); } });
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    matchMedia("print").addEventListener("change", all);
    addEventListener("beforeprint", all);
    narrow.addEventListener("change", redraw);
    document.addEventListener("theme", redraw);
  }

  function cells(kind, values, like) {
    var row = document.createElement("tr");
    values.forEach(function (value, at) {
      var cell = document.createElement(kind);
      cell.textContent = value === null ? "\u2013" : value;
      if (typeof (like || values)[at] === "number") { cell.className = "number"; }
      row.append(cell);
    });
    return row;
  }
  function table(part, most) {
    var box = document.createElement("div"), made = document.createElement("table");
    box.className = "scroll tall";
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", part.title || "Numbers");
    if (part.title) {
      var caption = document.createElement("caption");
      caption.textContent = part.title;
      made.append(caption);
    }
    made.append(document.createElement("thead"), document.createElement("tbody"));
    made.tHead.append(cells("th", part.columns, part.rows[0]));
    part.rows.slice(0, most).forEach(function (row) { made.tBodies[0].append(cells("td", row)); });
    box.append(made);
    return box;
  }
  function written(parts) {
    return parts.map(function (part) {
      return [["panel"].concat(part.columns)].concat(part.rows.map(function (row) {
        return [part.title].concat(row);
      })).map(function (row) {
        return row.map(function (value) {
          // What a spreadsheet would take for a formula is a text.
          var cell = value === null ? "" : String(value);
          if (typeof value === "string" && /^[=+@-]/.test(cell)) { cell = "'" + cell; }
          return /[",\n]/.test(cell) ? '"' + cell.replace(/"/g, '""') + '"' : cell;
        }).join(",");
      }).join("\n") + "\n";
    }).join("\n");
  }
  // The table behind a figure is made when it is asked for.
  document.querySelectorAll("details.numbers").forEach(function (fold) {
    fold.addEventListener("toggle", function () {
      var source = fold.querySelector("script");
      if (!fold.open || !source) { return; }
      text(source).then(function (made) {
        var parts = JSON.parse(made), most = 500;
        source.remove();
        var link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([written(parts)], { type: "text/csv" }));
        link.download = fold.dataset.key + ".csv";
        link.textContent = "Save as CSV";
        fold.append(link);
        parts.forEach(function (part) {
          fold.append(table(part, most));
          if (part.rows.length > most) {
            var more = document.createElement("p");
            more.className = "small";
            more.textContent = "The first " + most + " of " + part.rows.length + " rows; the CSV file has all.";
            fold.append(more);
          }
        });
      });
    });
  });

  window.cortexscope = { text: text, numbers: numbers, figure: figure, table: table, colours: colours };
  var sources = Array.from(document.querySelectorAll("script[data-plot]"));
  Promise.all([text(document.getElementById("plotly"))].concat(sources.map(function (source) {
    var show = figure(document.getElementById(source.dataset.plot));
    return text(source).then(function (made) { show(JSON.parse(made)); });
  }))).then(function (made) {
    var library = document.createElement("script");
    library.textContent = made[0];
    document.head.append(library);
    begin();
  });
})();
