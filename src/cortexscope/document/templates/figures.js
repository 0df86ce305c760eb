(function () {
  "use strict";
  var plots = Array.from(document.querySelectorAll("script[data-plot]")).map(function (source) {
    return { box: document.getElementById(source.dataset.plot), spec: JSON.parse(source.textContent) };
  });
  // Printed pages are wide even where the window is not.
  var narrow = matchMedia("screen and (max-width: 720px)");
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
  function draw() {
    plots.forEach(function (plot) {
      Plotly.react(plot.box, plot.spec.data, themed(plot.spec), {
        responsive: true, displaylogo: false,
        modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]]
      });
    });
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);
  narrow.addEventListener("change", draw);
})();
