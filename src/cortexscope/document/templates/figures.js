(function () {
  "use strict";
  // Printed pages are wide even where the window is not.
  var narrow = matchMedia("screen and (max-width: 720px)");
  var plots = Array.from(document.querySelectorAll("script[data-plot]")).map(function (source) {
    return { box: document.getElementById(source.dataset.plot), source: source, near: false };
  });
  function unpacked(element) {
    var bytes = Uint8Array.from(atob(element.textContent), function (c) { return c.charCodeAt(0); });
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
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
    var data = plot.spec.steps ? plot.spec.steps[plot.box.dataset.step || 0] : plot.spec.data;
    Plotly.react(plot.box, data, themed(plot.spec), {
      responsive: true, displaylogo: false,
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]]
    });
  }
  function redraw() { plots.filter(function (plot) { return plot.near; }).forEach(draw); }
  function all() { plots.forEach(function (plot) { plot.near = true; draw(plot); }); }
  function begin() {
    document.documentElement.classList.add("drawn");
    // Figures are drawn when they come near, so that a long page opens as fast as a short one.
    var watch = new IntersectionObserver(function (entries) {
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
  Promise.all([unpacked(document.getElementById("plotly"))].concat(plots.map(function (plot) {
    return unpacked(plot.source).then(function (text) { plot.spec = JSON.parse(text); });
  }))).then(function (made) {
    var library = document.createElement("script");
    library.textContent = made[0];
    document.head.append(library);
    begin();
  });
})();
