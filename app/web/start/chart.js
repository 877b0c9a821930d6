// The chart of absences, drawn by uPlot where the service has its files: a bar for each subject, the part missed in front.

import { element } from "./elements.js";

const ROW_PIXELS = 30;
const AXIS_PIXELS = 34;
const NARROW_PIXELS = 520;
const CHARACTER_PIXELS = 8;
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function readColours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

// Labels of at most `longest` characters, and how much room they take. Ids often differ in their ends.
export function labelBars(bars, longest) {
  const half = longest / 2;
  const shorten = (label) => {
    const characters = [...label]; // No emoji is cut in two.
    if (characters.length <= longest) return label;
    return `${characters.slice(0, half - 1).join("")}…${characters.slice(-half).join("")}`;
  };
  const labels = bars.map(({ label }) => shorten(label));
  return { labels, pixels: Math.max(...labels.map((label) => label.length)) * CHARACTER_PIXELS + 12 };
}

function describeBars(bars, width) {
  const colour = readColours();
  const font = "13px system-ui, sans-serif";
  const { labels, pixels } = labelBars(bars, width < NARROW_PIXELS ? 18 : 32);
  const paths = uPlot.paths.bars({ size: [0.7, 24], radius: 0.15 });
  const grid = { stroke: colour("line"), width: 1 };
  const ticks = { show: false };
  const stroke = colour("text");
  const series = (label, name) => ({ label, fill: colour(name), stroke: colour(name), width: 0, paths, points: { show: false } });
  return {
    width,
    height: bars.length * ROW_PIXELS + AXIS_PIXELS,
    legend: { show: false },
    cursor: { x: false, y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false, ori: 1, dir: -1, range: [-0.5, bars.length - 0.5] },
      y: { ori: 0, range: (_, __, most) => [0, most] },
    },
    axes: [
      {
        side: 3,
        size: pixels,
        font,
        stroke,
        ticks,
        grid: { show: false },
        splits: bars.map((_, index) => index),
        values: labels,
      },
      { side: 2, size: AXIS_PIXELS, font, stroke, ticks, grid, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000] },
    ],
    series: [{}, series("Recorded", "bar"), series("Missed", "missed")],
  };
}

function draw(frame, bars) {
  const data = [
    bars.map((_, index) => index),
    bars.map(({ attended, notAttended }) => attended + notAttended),
    bars.map(({ notAttended }) => notAttended),
  ];
  frame.replaceChildren();
  const plot = new uPlot(describeBars(bars, frame.clientWidth), data, frame);
  plot.over.addEventListener("click", () => {
    const bar = bars[plot.cursor.idx];
    if (bar) window.location.hash = bar.href;
  });
  return plot;
}

// Nothing without uPlot: the table below says the same. It is drawn again when its width or the colours change.
export function createChart(title, bars, leave) {
  if (typeof uPlot === "undefined") return null;
  const label = `${title}: how many each missed, of those that were marked. The table below has the numbers.`;
  const frame = element("div", { class: "chart", role: "img", "aria-label": label });
  const legend = element(
    "p",
    { class: "legend", "aria-hidden": "true" },
    element("span", { class: "key missed" }),
    "missed",
    element("span", { class: "key recorded" }),
    "marked in all",
  );
  let plot = null;
  const redraw = () => {
    if (!frame.clientWidth || (plot && plot.width === frame.clientWidth && plot.isDark === dark.matches)) return;
    plot?.destroy();
    plot = draw(frame, bars);
    plot.isDark = dark.matches;
  };
  const observer = new ResizeObserver(redraw);
  observer.observe(frame);
  dark.addEventListener("change", redraw, { signal: leave });
  leave.addEventListener("abort", () => {
    observer.disconnect();
    plot?.destroy();
  });
  return element("div", {}, legend, frame);
}
