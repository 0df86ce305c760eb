(function () {
  "use strict";
  var tools = window.cortexscope, page = window.cortexscopePage;
  function option(select, value, label) {
    var own = document.createElement("option");
    own.value = value;
    own.textContent = label;
    select.append(own);
  }
  function labelled(bar, name, select) {
    var label = document.createElement("label");
    label.append(name + " ", select);
    bar.append(label);
    return select;
  }
  function unique(values) { return Array.from(new Set(values)); }
  function layout(look, title, x, y, height) {
    return Object.assign({}, look.layout, {
      height: height, margin: { l: 60, r: 20, t: 40, b: 50 }, title: { text: title, font: { size: 14 } },
      xaxis: { title: { text: x } }, yaxis: { title: { text: y } }
    });
  }
  function line(look, slot, width) {
    return Object.assign({ width: width }, look.lines[slot % look.lines.length]);
  }
  // Names of others are no markup of plotly's.
  function safe(text) { return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }
  function short(text, most) { return text.length > most ? text.slice(0, most - 1) + "\u2026" : text; }
  function mean(values) {
    var known = values.filter(Number.isFinite);
    return known.length ? known.reduce(function (a, b) { return a + b; }) / known.length : null;
  }
  function digits(value) { return Number.isFinite(value) ? +value.toPrecision(4) : null; }

  document.querySelectorAll("[data-chooser]").forEach(function (box) {
    Promise.all([
      tools.text(box.querySelector("[data-facts]")), tools.numbers(box.querySelector("[data-numbers]"))
    ]).then(function (made) {
      var facts = JSON.parse(made[0]), numbers = made[1], key = box.dataset.chooser, at = 0;
      facts.grids.forEach(function (grid) {
        grid.at = at;
        at += grid.shape[0] * grid.shape[1] * grid.shape[2];
      });
      function value(grid, group, layer, head) {
        return numbers[grid.at + (group * grid.shape[1] + layer) * grid.shape[2] + head];
      }
      var bar = document.createElement("div");
      bar.className = "tools choose";
      var metric = labelled(bar, "Metric", document.createElement("select"));
      var series = labelled(bar, "Model", document.createElement("select"));
      var group = labelled(bar, "Prompts", document.createElement("select"));
      unique(facts.grids.map(function (grid) { return grid.group; })).forEach(function (name) {
        var listed = document.createElement("optgroup");
        listed.label = name;
        unique(facts.grids.filter(function (grid) { return grid.group === name; }).map(function (grid) {
          return grid.title;
        })).forEach(function (title) { option(listed, title, title); });
        metric.append(listed);
      });
      facts.groups.forEach(function (name, place) { option(group, place, name); });
      var meaning = document.createElement("p"), map = document.createElement("div");
      var lines = document.createElement("div"), shown = document.createElement("details");
      meaning.className = "aside";
      map.className = lines.className = "plot";
      shown.innerHTML = "<summary>The numbers shown</summary>";
      box.querySelector(".told").remove();
      box.append(bar, meaning, map, lines, shown);
      var drawMap = tools.figure(map), drawLines = tools.figure(lines);
      function offer() {
        var chosen = series.value, known = facts.grids.filter(function (grid) {
          return grid.title === metric.value;
        });
        series.replaceChildren();
        known.forEach(function (grid) { option(series, grid.series, grid.series); });
        if (known.some(function (grid) { return grid.series === chosen; })) { series.value = chosen; }
      }
      function show() {
        var grid = facts.grids.find(function (own) {
          return own.title === metric.value && own.series === series.value;
        });
        if (!grid) { return; }
        // What was measured over all prompts together has no groups.
        var place = grid.shape[0] === 1 ? 0 : +group.value, layers = [], names = facts.groups;
        group.disabled = grid.shape[0] === 1;
        for (var layer = 0; layer < grid.shape[1]; layer++) { layers.push(layer); }
        var numbered = layers.map(function (own) { return own + grid.first; });
        function row(which, own) {
          var found = [];
          for (var head = 0; head < grid.shape[2]; head++) { found.push(value(grid, which, own, head)); }
          return found;
        }
        meaning.textContent = grid.meaning;
        map.hidden = !grid.heads;
        var heading = safe(short(grid.title + ", " + grid.series + ", " + facts.groups[place], 90));
        if (grid.heads) {
          var drawn = layout(facts.look, heading, "Head", "Layer", 140 + 15 * Math.max(8, grid.shape[1]));
          drawn.yaxis.autorange = "reversed";
          drawMap({ wide: drawn, narrow: drawn, data: [{
            type: "heatmap", colorscale: "Cividis", y0: grid.first, hoverongaps: false,
            z: layers.map(function (own) { return row(place, own).map(function (v) { return Number.isFinite(v) ? v : null; }); }),
            colorbar: { thickness: 12, outlinewidth: 0 },
            hovertemplate: "layer %{y}, head %{x}: %{z:.4g}<extra></extra>"
          }] });
          map.style.height = drawn.height + "px";
        }
        var every = names.map(function (name, which) { return which; }).filter(function (which) {
          return which < grid.shape[0];
        });
        var order = every.filter(function (which) { return which !== place; }).concat([place]);
        var along = layout(
          facts.look, grid.heads ? "Along the layers, mean of heads" : heading, "Layer", safe(short(grid.title, 50)), 380 + 9 * order.length
        );
        along.xaxis.dtick = Math.max(1, Math.round(grid.shape[1] / 12));
        drawLines({ wide: along, narrow: along, data: order.map(function (which) {
          var now = which === place;
          return {
            type: "scatter", mode: "lines" + (grid.shape[1] < 3 ? "+markers" : ""), name: safe(short(names[which], 40)), x: numbered,
            y: layers.map(function (own) { return mean(row(which, own)); }),
            line: line(facts.look, which, now ? 3.5 : 1.2),
            hovertemplate: "layer %{x}: %{y:.4g}"
          };
        }) });
        lines.style.height = along.height + "px";
        while (shown.children.length > 1) { shown.lastChild.remove(); }
        shown.append(tools.table({
          title: grid.title + ", " + grid.series + ", " + facts.groups[place],
          columns: ["Layer", "Mean"].concat(grid.heads ? row(place, 0).map(function (_, head) { return "Head " + head; }) : []),
          rows: layers.map(function (own) {
            var found = row(place, own);
            return [own + grid.first, digits(mean(found))].concat(grid.heads ? found.map(digits) : []);
          })
        }, Infinity));
      }
      function chosen() {
        page.keep("metric." + key, metric.value);
        page.keep("model." + key, series.value);
        page.keep("group." + key, group.value);
        show();
      }
      function restore() {
        if (page.get("metric." + key)) { metric.value = page.get("metric." + key); }
        if (metric.selectedIndex < 0) { metric.selectedIndex = 0; }
        offer();
        if (page.get("model." + key)) { series.value = page.get("model." + key); }
        if (series.selectedIndex < 0) { series.selectedIndex = 0; }
        if (page.get("group." + key)) { group.value = page.get("group." + key); }
        if (group.selectedIndex < 0) { group.selectedIndex = 0; }
        show();
      }
      metric.addEventListener("change", function () { offer(); chosen(); });
      series.addEventListener("change", chosen);
      group.addEventListener("change", chosen);
      addEventListener("popstate", restore);
      restore();
    });
  });

  document.querySelectorAll("[data-pages]").forEach(function (box) {
    Promise.all([
      tools.text(box.querySelector("[data-facts]")), tools.numbers(box.querySelector("[data-numbers]"))
    ]).then(function (made) {
      var facts = JSON.parse(made[0]), numbers = made[1], key = box.dataset.pages;
      var metrics = facts.metrics.length, models = facts.series.length, items = facts.names.length;
      var means = items * models * metrics, spreads = means + models * metrics;
      var at = spreads + models * metrics;
      facts.depths.forEach(function (own) {
        own.at = at;
        at += items * own.layers;
      });
      var dialog = document.createElement("dialog"), now = -1;
      dialog.className = "page";
      dialog.setAttribute("aria-labelledby", key + "-page");
      box.append(dialog);
      var places = new Map(facts.names.map(function (name, place) { return [name, place]; }));
      box.querySelectorAll("tbody th").forEach(function (head) {
        var place = places.get(head.textContent);
        if (place === undefined) { return; }
        var link = document.createElement("button");
        link.className = "link";
        link.append(...head.childNodes);
        head.append(link);
        link.addEventListener("click", function () { open(place); });
      });
      function element(kind, text, name) {
        var own = document.createElement(kind);
        own.textContent = text;
        if (name) { own.className = name; }
        return own;
      }
      function button(text, act, off) {
        var own = element("button", text, "plain");
        own.disabled = off;
        own.addEventListener("click", act);
        return own;
      }
      function open(place) {
        if (place === undefined || place < 0 || place >= items) { return; }
        now = place;
        page.keep("page." + key, facts.names[place]);
        var bar = document.createElement("div");
        bar.className = "tools";
        bar.append(
          button("Previous", function () { open(now - 1); }, place === 0),
          button("Next", function () { open(now + 1); }, place === items - 1),
          button("Close", function () { dialog.close(); }, false)
        );
        var heading = element("h2", facts.names[place]);
        heading.id = key + "-page";
        dialog.replaceChildren(bar, heading, element("p", facts.heads[place], "small"));
        if (facts.texts.length) { dialog.append(element("pre", facts.texts[place])); }
        (facts.made[place] || []).forEach(function (own) {
          dialog.append(element("h3", own[0]), element("pre", own[1]));
        });
        var rows = [];
        for (var metric = 0; metric < metrics; metric++) {
          for (var model = 0; model < models; model++) {
            var value = numbers[(place * models + model) * metrics + metric];
            if (Number.isFinite(value)) {
              var z = (value - numbers[means + model * metrics + metric]) / numbers[spreads + model * metrics + metric];
              rows.push([
                facts.metrics[metric], facts.series[model], digits(value), Number.isFinite(z) ? +z.toFixed(1) : null
              ]);
            }
          }
        }
        rows.sort(function (a, b) { return Math.abs(b[3] || 0) - Math.abs(a[3] || 0); });
        dialog.append(
          element("h3", "Every metric, the most unusual first"),
          tools.table({ title: "", columns: ["Metric", "Model", "Value", "z"], rows: rows }, Infinity)
        );
        depths(place);
        if (!dialog.open) { dialog.showModal(); }
        dialog.scrollTop = 0;
      }
      function depths(place) {
        if (!facts.depths.length) { return; }
        var select = document.createElement("select"), bar = document.createElement("div");
        var plot = element("div", "", "plot");
        bar.className = "tools";
        unique(facts.depths.map(function (own) { return own.metric; })).forEach(function (metric) {
          option(select, metric, facts.metrics[metric]);
        });
        labelled(bar, "Metric", select);
        dialog.append(element("h3", "Along the layers"), bar, plot);
        if (page.get("depth." + key)) { select.value = page.get("depth." + key); }
        if (select.selectedIndex < 0) { select.selectedIndex = 0; }
        var draw = tools.figure(plot);
        function show() {
          var lines = [];
          facts.depths.filter(function (own) { return own.metric === +select.value; }).forEach(function (own) {
            var x = [], y = [], usual = [];
            for (var layer = 0; layer < own.layers; layer++) {
              var every = [];
              for (var item = 0; item < items; item++) { every.push(numbers[own.at + item * own.layers + layer]); }
              x.push(layer + own.first);
              y.push(digits(numbers[own.at + place * own.layers + layer]));
              usual.push(mean(every));
            }
            var name = safe(short(facts.series[own.series], 40));
            lines.push(
              { type: "scatter", mode: "lines", name: name, x: x, y: y, line: line(facts.look, own.series, 2.5) },
              { type: "scatter", mode: "lines", name: name + ", mean of those listed", x: x, y: usual, line: Object.assign(line(facts.look, own.series, 1.2), { dash: "dot" }) }
            );
          });
          var drawn = layout(facts.look, "", "Layer", safe(short(facts.metrics[+select.value], 50)), 360);
          plot.style.height = "360px";
          draw({ wide: drawn, narrow: drawn, data: lines });
        }
        select.addEventListener("change", function () { page.keep("depth." + key, select.value); show(); });
        show();
      }
      dialog.addEventListener("close", function () { page.keep("page." + key, ""); });
      function restore() {
        var name = page.get("page." + key);
        if (name) { open(places.get(name)); } else if (dialog.open) { dialog.close(); }
      }
      addEventListener("popstate", restore);
      restore();
    });
  });
})();
