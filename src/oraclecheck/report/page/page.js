"use strict";
(() => {
  const { studies, final, metric, finals, score, pick } = JSON.parse(document.getElementById("points").textContent);
  const state = { study: 0, metric, final, pinned: null };
  const [plot, details, find] = ["plot", "details", "find"].map((id) => document.getElementById(id));
  const symbols = ["square-open", "diamond-open", "triangle-down-open", "pentagon-open", "hexagon-open"];

  const minus = (text) => String(text).replace("-", "−");
  const number = (value) => ({ inf: Infinity, "-inf": -Infinity })[value] ?? value ?? NaN;
  function show(value, metric) {
    const x = number(value);
    if (typeof x === "string") return x; // diverged, failed
    if (Number.isNaN(x)) return "–";
    if (!Number.isFinite(x)) return "diverged";
    return metric === "accuracy" ? `${minus(Number((100 * x).toFixed(3)))} %` : minus(Number(x.toPrecision(5)));
  }
  const share = (part, all) => `${part.toLocaleString("en")} of ${all.toLocaleString("en")}, ${(100 * part / all).toFixed(1)} %`;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  /* plotly reads some HTML in its texts; in those that come from data nothing may be read. */
  const inert = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  function folded(text) {
    const most = Math.max(20, Math.min(60, Math.floor(plot.clientWidth / 9))); // characters in a line
    return text && text.match(new RegExp(`.{1,${most}}(?:\\s|$)|.{${most}}`, "gu")).map(inert).join("<br>");
  }

  /* One combination in words, a line each. */
  function words(row) {
    const study = studies[state.study], picked = study.picked[row];
    const name = study.combo[row] === null ? `Pick of ${picked}` : `Combination ${study.combo[row]}${picked === null ? "" : ` (pick of ${picked})`}`;
    const each = study.each?.[state.final][state.metric][row] ?? [];
    const repeats = each.flatMap((value, i) => (value === null ? [] : `${study.repeats[i]}:\u00a0${show(value, state.metric).replace(" ", "\u00a0")}`));
    return [
      row === study.choice ? `${name} – the ${pick}` : name,
      `removed ${study.removed[row] || "–"}`,
      `${score} ${show(study.score[row], "loss")}`,
      `test ${state.metric} ${show(study.y[state.final][state.metric][row], state.metric)}`,
      ...(each.length ? [`repeats ${repeats.join(" · ")}`] : []),
    ];
  }

  function pin(row) {
    state.pinned = row;
    details.textContent = row === null ? "" : words(row).join("\n");
  }

  /* ---- the plot ---- */

  /* Where values are drawn: those that are not finite a little beyond the worst finite one. */
  function places(values, sign) {
    const finite = values.filter(Number.isFinite);
    const low = finite.reduce((a, b) => Math.min(a, b), Infinity), high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
    const reach = 0.08 * (high - low || 1), edge = finite.length ? (sign > 0 ? low - reach : high + reach) : 0;
    return values.map((value) => (Number.isFinite(value) || Number.isNaN(value) ? value : edge));
  }

  function draw() {
    const study = studies[state.study], { choice, picked } = study;
    const [sign, unit] = state.metric === "accuracy" ? [1, 100] : [-1, 1];
    const c = study.score.map(number), y = study.y[state.final][state.metric].map(number);
    const placeX = places(c, -1), placeY = places(y, sign).map((value) => unit * value);

    const rows = [...y.keys()].filter((i) => !Number.isNaN(y[i]));
    const counted = rows.filter((i) => picked[i] === null);
    const better = new Set(choice === null ? [] : counted.filter((i) => sign * y[i] > sign * y[choice]));
    const diverged = (i) => !Number.isFinite(c[i]) || !Number.isFinite(y[i]);
    const kinds = { other: [], better: [], diverged: [], choice: [] }, picks = new Map();
    for (const i of rows) {
      if (i === choice) kinds.choice.push(i);
      else if (diverged(i)) kinds.diverged.push(i);
      else if (picked[i] !== null) picks.set(picked[i], [...(picks.get(picked[i]) ?? []), i]);
      else kinds[better.has(i) ? "better" : "other"].push(i);
    }
    const edge = kinds.diverged.length + kinds.choice.filter((i) => !Number.isFinite(y[i])).length;
    const least = counted.filter((i) => study.score[i] === study.score[choice]).length;
    const first = least > 1 ? `the first of ${least} with the least ${score}` : `least ${score}`;

    const ink = color("ink"), soft = color("soft"), paper = color("paper");
    const size = c.length > 1000 ? 5 : c.length > 300 ? 6.5 : 8.5, opacity = c.length > 1000 ? 0.65 : 0.9;
    /* Later ones lie above earlier ones; an entry of the legend without a point has an empty place. */
    const trace = (points, legendrank, name, marker, more) => ({
      type: "scatter", mode: "markers", name: folded(name), legendrank, showlegend: Boolean(name), marker,
      x: points.length ? points.map((i) => placeX[i]) : [null], y: points.length ? points.map((i) => placeY[i]) : [null],
      customdata: points, hoverinfo: "text", hovertext: points.map((i) => `<b>${words(i).map(folded).join("<br>").replace("<br>", "</b><br>")}`), ...more,
    });
    const traces = [
      trace(kinds.other, 3, counted.length ? "not better" : "", { color: color("other"), symbol: "circle", size, opacity }),
      trace(kinds.better, 2, counted.length ? `strictly better than the choice (${share(better.size, counted.length)})` : "", { color: color("better"), symbol: "triangle-up", size: 1.15 * size, opacity }),
      trace(kinds.diverged, 5, edge ? `${edge.toLocaleString("en")} diverged, drawn at the edge` : "", { color: ink, symbol: "x-thin-open", size: 8, line: { width: 1.6 } }),
      ...[...picks].map(([name, points], i) => trace(points, 4, `pick of ${name}`, { color: ink, symbol: symbols[i % symbols.length], size: 11, line: { width: 1.8 } })),
      trace(kinds.choice, 1, kinds.choice.length ? `${pick} (${first}): combination ${study.combo[choice]}` : "", { color: ink, symbol: "star", size: 17, line: { color: paper, width: 1 } }),
      trace(rows.filter((i) => i === state.pinned), 6, "", { color: ink, symbol: "circle-open", size: 20, line: { width: 2 } }, { hoverinfo: "skip" }),
    ];

    const guide = { type: "line", layer: "below", line: { color: soft, width: 1, dash: "dash" } };
    const guides = kinds.choice.flatMap((i) => [
      { ...guide, yref: "paper", y0: 0, y1: 1, x0: placeX[i], x1: placeX[i] },
      { ...guide, xref: "paper", x0: 0, x1: 1, y0: placeY[i], y1: placeY[i] },
    ]);
    const name = `test ${state.metric} ${finals[state.final]}`, title = unit === 100 ? `${name} (%)` : name;
    const axis = (text) => ({ title: { text, standoff: 10 }, gridcolor: color("rule"), linecolor: soft, zeroline: false, showline: true, ticks: "outside", tickcolor: soft, automargin: true, exponentformat: "power", separatethousands: true });
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink };
    const layout = {
      xaxis: axis(inert(score)), yaxis: axis(title), shapes: guides, hovermode: "closest", hoverdistance: 16, dragmode: "zoom",
      hoverlabel: { align: "left", bgcolor: paper, bordercolor: color("rule"), font: { ...font, size: 14 } },
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, font: { ...font, size: 14 } },
      margin: { l: 56, r: 12, t: 32, b: 48 }, modebar: { bgcolor: "transparent", color: soft, activecolor: ink },
      paper_bgcolor: "transparent", plot_bgcolor: "transparent", font,
      uirevision: `${state.study} ${state.metric} ${state.final}`,
    };
    const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]], toImageButtonOptions: { format: "svg", filename: `${study.study}_${state.metric}_${state.final}` } };
    Plotly.react(plot, traces, layout, config);
    const caption = (state.final === final && study.captions[state.metric]) || `No statistics were computed of the ${name} (see --final and --metric of the command below).`;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `Scatter of ${title} over ${score}, ${counted.length} combinations. ${caption}`);
    document.getElementById("caption").textContent = caption;
  }

  /* ---- what is chosen ---- */

  function change(part, value) {
    state[part] = value;
    if (part === "study") {
      state.pinned = null;
      find.value = details.textContent = "";
    }
    /* Another study may lack the metric or the epoch that was chosen. */
    const all = Object.keys(finals).flatMap((final) => ["accuracy", "loss"].map((metric) => ({ final, metric })));
    const known = all.filter(({ final, metric }) => studies[state.study].y[final][metric].some((y) => y !== null));
    const distance = (choice) => 2 * (choice.final !== state.final) + (choice.metric !== state.metric);
    Object.assign(state, known.toSorted((a, b) => distance(a) - distance(b))[0]);

    for (const input of document.querySelectorAll("[data-state]")) {
      const name = input.dataset.state;
      input.checked = input.value === state[name];
      input.disabled = !known.some((choice) => choice[name] === input.value && (name === "final" || choice.final === state.final));
    }
    const select = document.getElementById("study");
    if (select) select.value = String(state.study);
    if (state.pinned !== null) pin(state.pinned);
    draw();
  }

  document.addEventListener("change", ({ target: { dataset, value, id, checked } }) => {
    if (dataset.state) change(dataset.state, value);
    else if (id === "study") change("study", Number(value));
    else if (dataset.column) for (const cell of document.querySelectorAll(`#table [data-column="${dataset.column}"]`)) cell.hidden = !checked;
  });
  for (const button of document.querySelectorAll(".show")) {
    button.addEventListener("click", () => {
      state.metric = button.dataset.metric;
      change("study", Number(button.dataset.study));
      document.getElementById("scatter").scrollIntoView();
    });
  }
  find.addEventListener("input", () => {
    const wanted = find.value.trim(), row = studies[state.study].combo.findIndex((combo) => String(combo) === wanted);
    pin(row < 0 ? null : row);
    if (row < 0 && wanted) details.textContent = `No outcome of a combination ${wanted}.`;
    draw();
  });

  /* ---- sorting ---- */

  const table = document.getElementById("table"), headings = [...table.tHead.rows[0].cells];
  for (const [index, heading] of headings.entries()) {
    heading.querySelector("button").addEventListener("click", () => {
      const sign = heading.ariaSort === "ascending" ? -1 : 1, key = (row) => row.cells[index].dataset.key;
      const order = heading.classList.contains("text") ? (a, b) => a.localeCompare(b, "en", { numeric: true }) : (a, b) => a - b;
      /* not defined: last, whichever way */
      const compare = (a, b) => (a && b ? sign * order(a, b) : !a - !b);
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b))));
      for (const other of headings) other.ariaSort = "none";
      heading.ariaSort = sign > 0 ? "ascending" : "descending";
    });
  }

  change("study", 0);
  plot.on("plotly_click", ({ points: [{ customdata: row }] }) => {
    pin(row === state.pinned ? null : row);
    draw();
  });
  window.addEventListener("resize", draw); // texts are folded to the plot's width
  /* Paper is light: style sheets say so, and the plot is drawn with their colours. */
  matchMedia("screen and (prefers-color-scheme: dark)").addEventListener("change", draw);
})();
