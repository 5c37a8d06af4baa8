"use strict";
// Draws each chart from the data that stands in the page, one after the other so that the page can be read meanwhile.
(() => {
  const options = {displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"]};
  const waiting = [...document.querySelectorAll(".chart")];
  const draw = () => {
    const place = waiting.shift();
    if (!place) return false;
    const chart = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    Plotly.newPlot(place, chart.data, chart.layout, options);
    return true;
  };
  const goOn = () => { if (draw()) setTimeout(goOn); };
  goOn();
  // A printed page is narrower than most windows, and nobody waits for what is not drawn yet.
  const paper_px = 700;
  const drawn = () => document.querySelectorAll(".chart.js-plotly-plot");
  window.addEventListener("beforeprint", () => {
    while (draw());
    drawn().forEach((place) => Plotly.relayout(place, {autosize: false, width: paper_px}));
  });
  window.addEventListener("afterprint", () => drawn().forEach((place) => Plotly.relayout(place, {autosize: true, width: null})));
})();
