(function () {
  "use strict";
  // A figure whose panels are shown one after the other: nothing moves before it is asked to.
  var PAUSE = 2000;
  document.querySelectorAll("[data-steps]").forEach(function (bar) {
    var box = document.getElementById(bar.dataset.steps);
    var buttons = bar.querySelectorAll("button"), choice = bar.querySelector("select");
    var told = bar.querySelector("strong"), count = choice.options.length, timer = null;
    function show(step) {
      choice.selectedIndex = (step + count) % count;
      box.dataset.step = choice.selectedIndex;
      told.textContent = choice.value + " (" + (choice.selectedIndex + 1) + " of " + count + ")";
      box.dispatchEvent(new Event("step"));
    }
    function stop() {
      clearInterval(timer);
      timer = null;
      buttons[1].textContent = "Play";
      told.setAttribute("aria-live", "polite");
    }
    function play() {
      // Who reads by ear would hear nothing else while it plays.
      told.setAttribute("aria-live", "off");
      buttons[1].textContent = "Stop";
      timer = setInterval(function () { show(choice.selectedIndex + 1); }, PAUSE);
    }
    function by(way) { return function () { stop(); show(choice.selectedIndex + way); }; }
    buttons[0].addEventListener("click", by(-1));
    buttons[1].addEventListener("click", function () { (timer === null ? play : stop)(); });
    buttons[2].addEventListener("click", by(1));
    choice.addEventListener("change", by(0));
    bar.addEventListener("keydown", function (event) { if (event.key === "Escape") { stop(); } });
    show(0);
    bar.hidden = false;
  });
})();
