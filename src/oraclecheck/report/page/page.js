"use strict";
(() => {
  const studies = JSON.parse(document.getElementById("points").textContent);
  const finals = { last: "after the last epoch", best: "at the best epoch" };
  const { metric, final } = document.querySelector("#numbers tr[data-final]").dataset;
  const state = { study: 0, metric, final, pinned: null };
  const plot = document.getElementById("plot"), tip = document.getElementById("tip");
  const symbols = ["square-open", "diamond-open", "triangle-down-open", "pentagon-open", "hexagon-open"];
  let layers = []; // rows of the study behind each trace of the plot

  const number = (value) => (value === null ? NaN : Number(value));
  const minus = (text) => text.replace("-", "−");
  function show(value, metric) {
    if (typeof value === "string" && Number.isNaN(Number(value))) return value; // diverged, failed
    const x = number(value);
    if (Number.isNaN(x)) return "–";
    if (!Number.isFinite(x)) return "diverged";
    if (metric === "accuracy") return `${minus(String(Number((100 * x).toFixed(3))))} %`;
    return minus(String(Number(x.toPrecision(5))));
  }
  const share = (part, all) => `${part.toLocaleString("en")} of ${all.toLocaleString("en")}, ${(100 * part / all).toFixed(1)} %`;
  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /* ---- what is drawn ---- */

  function sorted(study) {
    const y = study.y[state.final][state.metric].map(number), x = study.score.map(number);
    const sign = state.metric === "accuracy" ? 1 : -1;
    const rows = { better: [], other: [], choice: [], diverged: [], picks: new Map() };
    let counted = 0, better = 0;
    for (let i = 0; i < x.length; i++) {
      if (Number.isNaN(y[i])) continue;
      const isBetter = study.picked[i] === null && study.choice !== null && sign * y[i] > sign * y[study.choice];
      if (study.picked[i] === null) { counted++; better += isBetter; }
      if (i === study.choice) rows.choice.push(i);
      else if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) rows.diverged.push(i);
      else if (study.picked[i] !== null) {
        if (!rows.picks.has(study.picked[i])) rows.picks.set(study.picked[i], []);
        rows.picks.get(study.picked[i]).push(i);
      } else (isBetter ? rows.better : rows.other).push(i);
    }
    return { x, y, sign, rows, counted, better };
  }

  /* Values that are not finite are drawn a little beyond the worst finite one. */
  function edges(values, sign) {
    const finite = values.filter(Number.isFinite);
    const low = finite.reduce((a, b) => Math.min(a, b), Infinity), high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!finite.length) return { at: 0, place: () => 0 };
    const at = sign > 0 ? low - 0.08 * (high - low || 1) : high + 0.08 * (high - low || 1);
    return { at, place: (value) => (Number.isFinite(value) ? value : at) };
  }

  function draw() {
    const study = studies[state.study];
    if (!study) return;
    const { x, y, sign, rows, counted, better } = sorted(study);
    const unit = state.metric === "accuracy" ? 100 : 1;
    const placeX = edges(x, -1).place, placeY = edges(y, sign).place;
    const ink = color("ink");
    const small = x.length > 1000 ? 5 : x.length > 300 ? 6.5 : 8.5;
    layers = [];
    const traces = [];
    const add = (points, marker) => {
      layers.push(points);
      traces.push({ type: "scatter", mode: "markers", hoverinfo: "none", x: points.map((i) => placeX(x[i])), y: points.map((i) => unit * placeY(y[i])), marker });
    };
    const opacity = x.length > 1000 ? 0.65 : 0.9;
    add(rows.other, { color: color("other"), symbol: "circle", size: small, opacity });
    add(rows.better, { color: color("better"), symbol: "triangle-up", size: small * 1.15, opacity });
    add(rows.diverged, { color: ink, symbol: "x-thin-open", size: 8, line: { width: 1.6 } });
    [...rows.picks.values()].forEach((points, i) => add(points, { color: ink, symbol: symbols[i % symbols.length], size: 11, line: { width: 1.8 } }));
    add(rows.choice, { color: ink, symbol: "star", size: 17, line: { color: color("paper"), width: 1 } });
    const pinned = state.pinned !== null && !Number.isNaN(y[state.pinned]) ? [state.pinned] : [];
    add(pinned, { color: ink, symbol: "circle-open", size: 20, line: { width: 2 } });

    const guides = rows.choice.flatMap((i) => {
      const line = { color: color("soft"), width: 1, dash: "dash" };
      return [
        { type: "line", layer: "below", yref: "paper", y0: 0, y1: 1, x0: placeX(x[i]), x1: placeX(x[i]), line },
        { type: "line", layer: "below", xref: "paper", x0: 0, x1: 1, y0: unit * placeY(y[i]), y1: unit * placeY(y[i]), line },
      ];
    });
    const axis = { gridcolor: color("rule"), linecolor: color("soft"), zeroline: false, showline: true, ticks: "outside", tickcolor: color("soft"), automargin: true, exponentformat: "power", separatethousands: true };
    const name = `test ${state.metric} ${finals[state.final]}${unit === 100 ? " (%)" : ""}`;
    const layout = {
      xaxis: { ...axis, title: { text: "pruned train loss", standoff: 10 } }, yaxis: { ...axis, title: { text: name, standoff: 10 } },
      shapes: guides, showlegend: false, hovermode: "closest", hoverdistance: 16, dragmode: "zoom",
      margin: { l: 56, r: 12, t: 32, b: 48 }, modebar: { bgcolor: "rgba(0,0,0,0)", color: color("soft"), activecolor: ink }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
      uirevision: `${state.study} ${state.metric} ${state.final}`,
    };
    const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]], toImageButtonOptions: { format: "svg", filename: `${study.study}_${state.metric}_${state.final}` } };
    Plotly.react(plot, traces, layout, config);
    const caption = study.captions[state.final]?.[state.metric] ?? `No statistics were computed of the test ${state.metric} ${finals[state.final]} (see --final and --metric of the command below).`;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `Scatter of ${name} over pruned train loss, ${counted} combinations. ${caption}`);
    document.getElementById("caption").textContent = caption;
    legend(study, rows, counted, better);
  }

  const shapes = {
    star: "M0-8 1.9-2.6 7.6-2.5 3.1 1 4.7 6.5 0 3.2-4.7 6.5-3.1 1-7.6-2.5-1.9-2.6Z", triangle: "M0-5.5 5.5 4H-5.5Z", circle: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
    cross: "M-4-4 4 4M-4 4 4-4", "square-open": "M-5-5H5V5H-5Z", "diamond-open": "M0-6.5 6.5 0 0 6.5-6.5 0Z", "triangle-down-open": "M0 6 6-4.5H-6Z",
    "pentagon-open": "M0-6 5.7-1.9 3.5 4.9H-3.5L-5.7-1.9Z", "hexagon-open": "M-3-5.2H3L6 0 3 5.2H-3L-6 0Z",
  };
  function legend(study, rows, counted, better) {
    const list = document.getElementById("legend");
    list.replaceChildren();
    const item = (shape, fill, stroke, text) => {
      const entry = element("li"), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      svg.setAttribute("viewBox", "-8 -8 16 16");
      svg.setAttribute("aria-hidden", "true");
      path.setAttribute("d", shapes[shape]);
      path.style.fill = fill;
      path.style.stroke = stroke;
      path.style.strokeWidth = 1.6;
      svg.append(path);
      entry.append(svg, text);
      list.append(entry);
    };
    const least = study.score.filter((score, i) => study.picked[i] === null && score === study.score[study.choice]).length;
    const words = least > 1 ? `the first of ${least} with the least pruned train loss` : "least pruned train loss";
    if (rows.choice.length) item("star", "var(--ink)", "none", `oracle’s choice (${words}): combination ${study.combo[study.choice]}`);
    if (counted) {
      item("triangle", "var(--better)", "none", `strictly better than the choice (${share(better, counted)})`);
      item("circle", "var(--other)", "none", "not better");
    }
    [...rows.picks.keys()].forEach((name, i) => item(symbols[i % symbols.length], "none", "var(--ink)", `pick of ${name}`));
    const diverged = rows.diverged.length + rows.choice.filter((i) => !Number.isFinite(number(study.y[state.final][state.metric][i]))).length;
    if (diverged) item("cross", "none", "var(--ink)", `${diverged.toLocaleString("en")} diverged, drawn at the edge`);
  }

  /* ---- one point in words ---- */

  function describe(row) {
    const study = studies[state.study], picked = study.picked[row];
    const name = study.combo[row] === null ? `Pick of ${picked}` : `Combination ${study.combo[row]}${picked === null ? "" : ` (pick of ${picked})`}`;
    const pairs = [
      ["removed", study.removed[row] || "–"],
      ["pruned train loss", show(study.score[row], "loss")],
      [`test ${state.metric}`, show(study.y[state.final][state.metric][row], state.metric)],
    ];
    const each = study.each?.[state.final][state.metric][row];
    if (each) pairs.push(["repeats", study.repeats.map((r, i) => (each[i] === null ? null : `${r}:\u00a0${show(each[i], state.metric).replace(" ", "\u00a0")}`)).filter((text) => text).join(" · ")]);
    const list = element("dl", undefined, "point");
    for (const [term, value] of pairs) list.append(element("dt", term), element("dd", value));
    return [element("p", row === study.choice ? `${name} – the oracle’s choice` : name, "point-name"), list];
  }

  const rowOf = (event) => layers[event.points[0].curveNumber]?.[event.points[0].pointNumber];

  function hover(event) {
    const row = rowOf(event);
    if (row === undefined) return;
    tip.replaceChildren(...describe(row));
    tip.hidden = false;
    const point = event.points[0], frame = plot.getBoundingClientRect();
    const x = point.xaxis._offset + point.xaxis.d2p(point.x), y = point.yaxis._offset + point.yaxis.d2p(point.y);
    const beside = x + 14 + tip.offsetWidth <= frame.width ? x + 14 : x - 14 - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(beside, frame.width - tip.offsetWidth))}px`;
    tip.style.top = `${beside < 0 ? y + 18 : Math.max(0, Math.min(y - 20, frame.height - tip.offsetHeight))}px`;
  }

  function pin(row) {
    state.pinned = row;
    document.getElementById("details").replaceChildren(...(row === null ? [] : describe(row)));
  }

  /* ---- state ---- */

  function update() {
    const study = studies[state.study];
    const judged = document.querySelector(`[data-final=${state.final}]`) !== null;
    for (const marked of document.querySelectorAll("[data-final]")) marked.hidden = judged && marked.dataset.final !== state.final;
    for (const input of document.querySelectorAll("[data-state]")) {
      input.checked = input.value === state[input.dataset.state];
      const choice = { ...state, [input.dataset.state]: input.value };
      input.disabled = study !== undefined && (input.dataset.state === "metric" ? !known(study, choice) : !known(study, { ...choice, metric: "accuracy" }) && !known(study, { ...choice, metric: "loss" }));
    }
    const select = document.getElementById("study");
    if (select) select.value = String(state.study);
    if (state.pinned !== null) pin(state.pinned);
    tip.hidden = true;
    draw();
  }

  const known = (study, { final, metric }) => study.y[final][metric].some((value) => value !== null);

  /* Another study may lack the metric or the epoch that is chosen. */
  function settle() {
    const study = studies[state.study];
    const choices = Object.keys(finals).flatMap((final) => ["accuracy", "loss"].map((metric) => ({ final, metric })));
    const rank = (choice) => 2 * (choice.final !== state.final) + (choice.metric !== state.metric);
    const best = choices.filter((choice) => known(study, choice)).sort((a, b) => rank(a) - rank(b))[0];
    Object.assign(state, best);
  }

  function change(part, value) {
    state[part] = value;
    if (part === "study") {
      pin(null);
      document.getElementById("find").value = "";
    }
    settle();
    update();
  }

  document.addEventListener("change", (event) => {
    const { dataset, value, id, checked } = event.target;
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
  const find = document.getElementById("find");
  find.addEventListener("input", () => {
    const study = studies[state.study], row = study.combo.findIndex((combo) => String(combo) === find.value.trim());
    pin(row < 0 ? null : row);
    if (row < 0 && find.value.trim()) document.getElementById("details").textContent = `No outcome of a combination ${find.value.trim()}.`;
    draw();
  });

  /* ---- sorting ---- */

  const body = document.querySelector("#table tbody");
  for (const heading of document.querySelectorAll("#table thead th")) {
    heading.querySelector("button").addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending", index = heading.cellIndex;
      const text = heading.classList.contains("text");
      const keyed = [...body.rows].map((row) => ({ row, key: row.cells[index].dataset.key }));
      const order = (a, b) => (text ? a.localeCompare(b, "en", { numeric: true }) : Number(a) - Number(b));
      keyed.sort((a, b) => {
        if (!a.key || !b.key) return !a.key - !b.key; // not defined: last, whichever way
        return ascending ? order(a.key, b.key) : order(b.key, a.key);
      });
      body.append(...keyed.map(({ row }) => row));
      for (const other of document.querySelectorAll("#table thead th")) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    });
  }

  settle();
  update();
  plot.on?.("plotly_hover", hover);
  plot.on?.("plotly_unhover", () => { tip.hidden = true; });
  plot.on?.("plotly_click", (event) => {
    const row = rowOf(event);
    if (row === undefined) return;
    pin(row === state.pinned ? null : row);
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    draw();
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    draw();
  });
})();
