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
  // A printed page has another width than the window, and nobody waits for what is not drawn yet.
  const fit = () => document.querySelectorAll(".chart.js-plotly-plot").forEach((place) => Plotly.Plots.resize(place));
  window.addEventListener("beforeprint", () => { while (draw()); });
  window.matchMedia("print").addEventListener("change", fit);
})();
