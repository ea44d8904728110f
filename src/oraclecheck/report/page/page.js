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

  /* Where values are drawn, those that are not finite on a rug a little beyond the worst finite one; and where the rug is. */
  function places(values, sign, logarithmic = false) {
    const [there, back] = logarithmic ? [Math.log, Math.exp] : [(x) => x, (x) => x];
    const finite = values.filter(Number.isFinite).map(there);
    const low = finite.reduce((a, b) => Math.min(a, b), Infinity), high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
    const reach = 0.08 * (high - low || 1), worst = sign > 0 ? low : high;
    const beyond = (share) => (finite.length ? back(worst - sign * share * reach) : 0);
    return [values.map((value) => (Number.isFinite(value) || Number.isNaN(value) ? value : beyond(1))), [beyond(0.65), beyond(1.35)]];
  }

  /* From the worst to the best repeat of each combination, as plotly's error bars. */
  function spread(study, rows, unit) {
    const each = study.each?.[state.final][state.metric], y = study.y[state.final][state.metric];
    if (!each || rows.length > 1000) return {};
    const reach = (pick, sign) => rows.map((i) => {
      const values = each[i].filter((value) => typeof value === "number");
      return values.length > 1 && Number.isFinite(number(y[i])) ? unit * Math.max(0, sign * (pick(...values) - y[i])) : 0;
    });
    return { type: "data", symmetric: false, array: reach(Math.max, 1), arrayminus: reach(Math.min, -1), thickness: 0.9, width: 0 };
  }

  /* One drawing at a time: two at once would correct each other's margins for ever. */
  let drawing = false, wanted = false;
  function draw() {
    tell();
    if (!window.Plotly) return;
    wanted = true;
    if (drawing) return;
    drawing = true;
    wanted = false;
    drawn().finally(() => {
      drawing = false;
      if (wanted) draw();
    });
  }

  /* The verdict of what is drawn, in words. */
  function tell() {
    const caption = studies[state.study].told[state.final]?.[state.metric]?.caption
      ?? `No statistics were computed of the test ${state.metric} ${finals[state.final]} (see --metric of the command below).`;
    document.getElementById("caption").textContent = caption;
    return caption;
  }

  async function drawn() {
    const study = studies[state.study], { choice, picked } = study;
    const [sign, unit] = state.metric === "accuracy" ? [1, 100] : [-1, 1];
    const c = study.score.map(number), y = study.y[state.final][state.metric].map(number);
    const [placeX] = places(c, -1, study.logarithmic), [heights, rug] = places(y, sign), placeY = heights.map((value) => unit * value);

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

    const statistics = study.told[state.final]?.[state.metric];
    const ink = color("ink"), soft = color("soft"), paper = color("paper");
    const size = c.length > 1000 ? 5 : c.length > 300 ? 6.5 : 8.5, opacity = c.length > 1000 ? 0.65 : 0.9;
    /* Later ones lie above earlier ones; an entry of the legend without a point has an empty place. */
    const trace = (points, legendrank, name, marker, more) => ({
      type: "scatter", mode: "markers", name: folded(name), legendrank, showlegend: Boolean(name), marker,
      x: points.length ? points.map((i) => placeX[i]) : [null], y: points.length ? points.map((i) => placeY[i]) : [null],
      customdata: points, hoverinfo: "text", hovertext: points.map((i) => `<b>${words(i).map(folded).join("<br>").replace("<br>", "</b><br>")}`),
      ...(points.length && marker.color !== ink ? { error_y: { ...spread(study, points, unit), color: marker.color } } : {}), ...more,
    });
    const traces = [
      trace(kinds.other, 3, counted.length ? "not better" : "", { color: color("other"), symbol: "circle", size, opacity }),
      trace(kinds.better, 2, counted.length ? `strictly better than the choice (${share(better.size, counted.length)})` : "", { color: color("better"), symbol: "triangle-up", size: 1.15 * size, opacity }),
      trace(kinds.diverged, 5, edge ? `${edge.toLocaleString("en")} diverged, drawn at the edge` : "", { color: ink, symbol: kinds.diverged.map((i) => (Number.isFinite(y[i]) ? "line-ew-open" : "line-ns-open")), size: 12, line: { width: 1.4 } }),
      ...[...picks].map(([name, points], i) => trace(points, 4, `pick of ${name}`, { color: ink, symbol: symbols[i % symbols.length], size: 11, line: { width: 1.8 } })),
      trace(kinds.choice, 1, kinds.choice.length ? `${pick} (${first}): combination ${study.combo[choice]}` : "", { color: ink, symbol: "star", size: 17, line: { color: paper, width: 1 } }),
      trace(rows.filter((i) => i === state.pinned), 6, "", { color: ink, symbol: "circle-open", size: 20, line: { width: 2 } }, { hoverinfo: "skip" }),
    ];

    const guide = { type: "line", layer: "below", line: { color: soft, width: 1, dash: "dash" } };
    const guides = kinds.choice.flatMap((i) => [
      { ...guide, yref: "paper", y0: 0, y1: 1, x0: placeX[i], x1: placeX[i] },
      { ...guide, xref: "paper", x0: 0, x1: 1, y0: placeY[i], y1: placeY[i] },
    ]);
    if (edge && y.some((value, i) => !Number.isFinite(value) && !Number.isNaN(value)))
      guides.push({ type: "rect", layer: "below", xref: "paper", x0: 0, x1: 1, y0: unit * rug[0], y1: unit * rug[1], fillcolor: color("panel"), line: { width: 0 } });
    const name = `test ${state.metric} ${finals[state.final]}`, title = unit === 100 ? `${name} (%)` : name;
    const axis = (text) => ({ title: { text, standoff: 10 }, gridcolor: color("rule"), linecolor: soft, zeroline: false, showline: true, ticks: "outside", tickcolor: soft, automargin: true, exponentformat: "power", separatethousands: true });
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink };
    const layout = {
      title: { text: [`<b>${folded(study.title)}</b>`, ...(statistics ? [folded(statistics.line)] : [])].join("<br>"), x: 0, xref: "paper", xanchor: "left", y: 1, yref: "paper", yanchor: "bottom", pad: { b: 10 }, font: { ...font, size: 14 }, automargin: true },
      xaxis: { ...axis(inert(study.logarithmic ? `${score} (log scale)` : score)), ...(study.logarithmic ? { type: "log", dtick: "D1", exponentformat: "none" } : {}) }, yaxis: axis(title), shapes: guides, hovermode: "closest", hoverdistance: 16, dragmode: "zoom",
      hoverlabel: { align: "left", bgcolor: paper, bordercolor: color("rule"), font: { ...font, size: 14 } },
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, font: { ...font, size: 14 } },
      margin: { l: 56, r: 12, t: 32, b: 48 }, modebar: { bgcolor: "transparent", color: soft, activecolor: ink },
      paper_bgcolor: "transparent", plot_bgcolor: "transparent", font,
      uirevision: `${state.study} ${state.metric} ${state.final}`,
    };
    const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]], toImageButtonOptions: { format: "svg", filename: `${study.study}_${state.metric}_${state.final}` } };
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `Scatter of ${title} over ${score}, ${counted.length} combinations. ${tell()}`);
    return Plotly.react(plot, traces, layout, config);
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
    else if (dataset.column) {
      hidden.has(dataset.column) === checked && (checked ? hidden.delete(dataset.column) : hidden.add(dataset.column));
      arrange();
    }
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

  /* ---- the table ---- */

  const table = document.getElementById("table"), headings = [...table.tHead.rows[0].cells];
  const leading = Number(table.dataset.leading);
  const hidden = new Set([...document.querySelectorAll(".columns [data-column]:not(:checked)")].map((box) => box.dataset.column));

  /* Hide what is not wanted, and keep in view what a row is about: as many of the leading columns as leave room. */
  function arrange() {
    const nth = (index) => `#table tr > :nth-child(${index + 1})`;
    const rules = headings.flatMap((heading, i) => (hidden.has(heading.dataset.column) ? [`${nth(i)} { display: none; }`] : []));
    document.getElementById("hidden-columns").textContent = rules.join("\n");
    const room = 0.62 * table.parentElement.clientWidth;
    const placed = [];
    let left = 0;
    for (const [i, heading] of headings.slice(0, leading).entries()) {
      const width = heading.getBoundingClientRect().width;
      if (!width) continue;
      if (left + width > room) break;
      placed.push([i, left]);
      left += width;
    }
    for (const row of table.rows) for (const cell of row.querySelectorAll(".fixed")) cell.classList.remove("fixed", "last-fixed");
    for (const [i, at] of placed) {
      for (const row of table.rows) {
        row.cells[i].classList.add("fixed");
        row.cells[i].classList.toggle("last-fixed", i === placed.at(-1)[0]);
        row.cells[i].style.left = `${at}px`;
      }
    }
  }

  for (const [index, heading] of headings.entries()) {
    const name = heading.dataset.column, wide = { reason: "long", note: "long", dense_hash: "hash", study_hash: "hash" }[name];
    if (wide) for (const row of table.tBodies[0].rows) row.cells[index].classList.add(wide);
    heading.querySelector("button").addEventListener("click", () => {
      const sign = heading.ariaSort === "ascending" ? -1 : 1, cell = (row) => row.cells[index];
      const isText = heading.classList.contains("text"), key = (row) => (isText ? cell(row).textContent : cell(row).dataset.key ?? "");
      const order = isText ? (a, b) => a.localeCompare(b, "en", { numeric: true }) : (a, b) => a - b;
      /* not defined: last, whichever way */
      const compare = (a, b) => (a && b ? sign * order(a, b) : !a - !b);
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b))));
      for (const other of headings) other.ariaSort = "none";
      heading.ariaSort = sign > 0 ? "ascending" : "descending";
    });
  }

  /* ---- the filter: rows in which every word of it begins a word ---- */

  const filters = [...document.querySelectorAll(".filter")], lines = [...document.querySelectorAll(".overview .study")];
  function filter(wanted) {
    const asked = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (text) => {
      const words = text.toLowerCase().split(/[^\p{L}\p{N}_.+-]+/u);
      return asked.every((word) => words.some((other) => other.startsWith(word)));
    };
    for (const field of filters) if (field.value !== wanted) field.value = wanted;
    for (const line of lines) line.hidden = !has(line.firstElementChild.dataset.words);
    for (const row of table.tBodies[0].rows) row.hidden = !has([...row.cells].map((cell) => cell.textContent).join(" "));
    const shown = lines.filter((line) => !line.hidden).length;
    for (const count of document.querySelectorAll(".count")) count.textContent = asked.length ? `${shown} of ${lines.length}` : "";
  }
  for (const field of filters) field.addEventListener("input", () => filter(field.value));

  /* ---- plotly, packed as bundle.py says ---- */

  async function unpacked(text) {
    const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%.()*+-;,=>?@^_`{|}~";
    const values = new Uint8Array(128);
    for (let i = 0; i < 85; i++) values[letters.charCodeAt(i)] = i;
    const bytes = new Uint8Array(4 * Math.ceil(text.length / 5)), view = new DataView(bytes.buffer);
    for (let i = 0; i < text.length; i += 5) {
      let word = 0;
      for (let j = i; j < i + 5; j++) word = 85 * word + (j < text.length ? values[text.charCodeAt(j)] : 84);
      view.setUint32(4 * (i / 5), word);
    }
    const filled = bytes.subarray(0, bytes.length - (5 - (text.length % 5)) % 5);
    return new Response(new Blob([filled]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  change("study", 0);
  arrange();
  window.addEventListener("resize", () => { draw(); arrange(); }); // texts are folded to the plot's width
  /* Paper is light: style sheets say so, and the plot is drawn with their colours. */
  matchMedia("screen and (prefers-color-scheme: dark)").addEventListener("change", draw);
  unpacked(document.getElementById("bundle").textContent).then((text) => {
    const script = document.createElement("script");
    script.textContent = text;
    document.head.append(script);
    draw();
    plot.on("plotly_click", ({ points: [{ customdata: row }] }) => {
      pin(row === state.pinned ? null : row);
      draw();
    });
  }).catch((error) => { details.textContent = `The scatter needs a browser of 2023 or later (${error}).`; });
})();
